#!lua
-- Claims a given id for a partition, in the slot of the id's own hash, before the event is appended elsewhere.
--
-- KEYS  1 claims, 2 ids
-- ARGV  1 given id, 2 partition that the ordering key chose, 3 digest, 4 '1' to take over an older claim
--       whose event was not found
-- Returns {partition of the claim, '1' if the digest is the same, ms since its event last asked for it}, or
--       {-1, '0' or '1', 0} when the event itself lies in this slot.
-- Invariant: one id has at most one claim; a claim yields only to a caller that found no event behind it, and not
--       before 60 s have gone by since its own event last asked for it: that one may be about to be appended.

local held = redis.call('HGET', KEYS[2], ARGV[1])
if held then
  return {-1, string.sub(held, 13, 28) == ARGV[3] and '1' or '0', 0}
end
local now = redis.call('TIME')
local now_ms = now[1] * 1000 + math.floor(now[2] / 1000)
local claim = redis.call('HGET', KEYS[1], ARGV[1])
if claim then
  local partition, at_ms = struct.unpack('>I2', claim), struct.unpack('>I8', claim, 19)
  if string.sub(claim, 3, 18) == ARGV[3] then
    redis.call('HSET', KEYS[1], ARGV[1], string.sub(claim, 1, 18) .. struct.pack('>I8', now_ms))
    return {partition, '1', now_ms - at_ms}
  end
  if ARGV[4] ~= '1' or now_ms - at_ms < 60000 then
    return {partition, '0', now_ms - at_ms}
  end
end
redis.call('HSET', KEYS[1], ARGV[1], struct.pack('>I2', tonumber(ARGV[2])) .. ARGV[3] .. struct.pack('>I8', now_ms))
return {tonumber(ARGV[2]), '1', 0}
