#!lua
-- Claims given ids for partitions, in the slot of the ids' own hash, before their events are appended elsewhere.
--
-- KEYS  1 claims, 2 ids
-- ARGV  1 '1' to take over older claims whose events were not found, then three per id: given id, partition that the
--       ordering key chose, digest
-- Returns one string, 11 bytes per id: partition of the claim (>I2), 1 if the digest is the same or 0, ms since its
--       event last asked for it (>I8); the partition is 65535 and the ms 0 when the event itself lies in this slot.
-- Invariant: one id has at most one claim; a claim yields only to a caller that found no event behind it, and not
--       before 60 s have gone by since its own event last asked for it: that one may be about to be appended.

local HERE = 65535
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local packed_now = struct.pack('>I8', now_ms)
local any = redis.call('EXISTS', KEYS[1]) == 1

local function answer(partition, same, age)
  return struct.pack('>I2I1I8', partition, same and 1 or 0, age)
end

local function claim(id, partition, digest)
  local held = redis.call('HGET', KEYS[2], id)
  if held then
    return answer(HERE, string.sub(held, 13, 28) == digest, 0)
  end
  local found = any and redis.call('HGET', KEYS[1], id)
  if found then
    local holder, at_ms = struct.unpack('>I2', found), struct.unpack('>I8', found, 19)
    if string.sub(found, 3, 18) == digest then
      redis.call('HSET', KEYS[1], id, string.sub(found, 1, 18) .. packed_now)
      return answer(holder, true, now_ms - at_ms)
    end
    if ARGV[1] ~= '1' or now_ms - at_ms < 60000 then
      return answer(holder, false, now_ms - at_ms)
    end
  end
  redis.call('HSET', KEYS[1], id, struct.pack('>I2', partition) .. digest .. packed_now)
  any = true
  return answer(partition, true, 0)
end

local answers = {}
for at = 2, #ARGV, 3 do
  answers[#answers + 1] = claim(ARGV[at], tonumber(ARGV[at + 1]), ARGV[at + 2])
end
return table.concat(answers)
