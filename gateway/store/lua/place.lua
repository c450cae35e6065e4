#!lua flags=allow-oom
-- Puts deliveries where their records say: into open, due, lanes, order and dead, or out of them.
--
-- KEYS  1 lease, 2 open, 3 dead, 4 due, 5 lanes, 6 order, 7.. record hashes and lanes
-- ARGV  1 token, then four per delivery (at most 256): packed key, position of its records, position of its lane,
--       number of the chain that it was found to stand in ('0' for none)
-- Returns how many places were changed, or -1 when the token is another's: then nothing was done.
-- Invariant: records are read, never written; a delivery whose record settle.lua wrote is left as it is.

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return -1
end

local PENDING, HELD, DEAD, ORDER = 1, 3, 5, 11
local changed = 0

local function put(set, wanted, score, key)
  local there = redis.call('ZSCORE', set, key)
  if wanted and tonumber(there) ~= score then
    redis.call('ZADD', set, score, key)
    changed = changed + 1
  elseif there and not wanted then
    redis.call('ZREM', set, key)
    changed = changed + 1
  end
end

local function member(key, chain)
  return string.sub(key, 11, 14) .. struct.pack('>I4', chain) .. string.sub(key, 1, 10) .. string.sub(key, 15, 18)
end

for at = 2, #ARGV, 4 do
  local key, lane = ARGV[at], KEYS[tonumber(ARGV[at + 2])]
  local record = redis.call('HGET', KEYS[tonumber(ARGV[at + 1])], key)
  local state = record and string.byte(record) or 0
  local reason = record and string.byte(record, 2) or 0
  local due = record and struct.unpack('>I8', record, 9) or 0
  local chain, stands = record and struct.unpack('>I4', record, 29) or 0, tonumber(ARGV[at + 3])
  local high, low, _, endpoint = struct.unpack('>I2I4I4I4', key)
  local ms = high * 4294967296 + low
  put(KEYS[2], state > 0 and state <= HELD, ms, key)
  put(KEYS[3], state == DEAD, ms, key)
  put(KEYS[4], due > 0, due, key)
  put(lane, (state == PENDING and due == 0) or (state == HELD and reason ~= ORDER), ms, key)
  if chain > 0 then
    put(KEYS[6], state <= HELD, 0, member(key, chain))
  end
  if stands > 0 and stands ~= chain then
    put(KEYS[6], false, 0, member(key, stands))
  end
  if redis.call('EXISTS', lane) == 1 then
    changed = changed + redis.call('SADD', KEYS[5], endpoint)
  else
    changed = changed + redis.call('SREM', KEYS[5], endpoint)
  end
end
return changed
