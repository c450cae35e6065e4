#!lua flags=no-writes
-- Counts what waits for one endpoint in one partition, a number of its chains at a time.
--
-- KEYS  1 lane, 2 order, 3 due
-- ARGV  1 endpoint (4 bytes, big-endian), 2 last chain that was looked at (4 bytes) or '', 3 chains to look at
-- Returns {members of the lane, its first packed key or '', members of all chains, chains whose first has a due time,
--       the oldest packed key in the chains that has none or '', last chain looked at or '' when none is left}; the
--       fourth and fifth are about the chains of this call alone.
-- Invariant: reads only; a chain costs the same however long it is.
-- A member of `order` is endpoint (4), chain (4), ms (6), seq (4), run (4).

local endpoint, last, limit = ARGV[1], ARGV[2], tonumber(ARGV[3])
local AFTER_ANY = string.rep('\255', 19)
local stop = '(' .. endpoint .. AFTER_ANY
local scheduled, oldest, oldest_ms, oldest_seq = 0, '', math.huge, 0

local function key_of(member)
  return string.sub(member, 9, 18) .. endpoint .. string.sub(member, 19, 22)
end

local function note(key)
  local high, low, seq = struct.unpack('>I2I4I4', key)
  local ms = high * 4294967296 + low
  if ms < oldest_ms or (ms == oldest_ms and seq < oldest_seq) then
    oldest, oldest_ms, oldest_seq = key, ms, seq
  end
end

local function look_at(first, second)
  local key = key_of(first)
  if not redis.call('ZSCORE', KEYS[3], key) then
    note(key)
    return
  end
  scheduled = scheduled + 1
  if second and string.sub(second, 5, 8) == string.sub(first, 5, 8) then
    note(key_of(second))
  end
end

local from = last == '' and '[' .. endpoint or '(' .. endpoint .. last .. AFTER_ANY
for _ = 1, limit do
  local two = redis.call('ZRANGEBYLEX', KEYS[2], from, stop, 'LIMIT', 0, 2)
  if not two[1] then
    last = ''
    break
  end
  look_at(two[1], two[2])
  last = string.sub(two[1], 5, 8)
  from = '(' .. endpoint .. last .. AFTER_ANY
end

local chained = redis.call('ZLEXCOUNT', KEYS[2], '[' .. endpoint, stop)
return {redis.call('ZCARD', KEYS[1]), redis.call('ZRANGE', KEYS[1], 0, 0)[1] or '', chained, scheduled, oldest, last}
