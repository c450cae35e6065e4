#!lua flags=allow-oom
-- Replaces a replay, if it still is as it was read.
--
-- KEYS  1 replays
-- ARGV  1 replay id, 2 the JSON that was read, 3 the new value (run (4), token of this change (8), JSON)
-- Returns 1 when it is replaced, 0 with nothing written when it is missing or another one.
-- Invariant: of two changes to what was read only one holds, even if both write the same; the run stays; a repeated call
--       (same token) answers the same.

local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held then
  return 0
end
if string.sub(held, 5, 12) == string.sub(ARGV[3], 5, 12) then
  return 1
end
if string.sub(held, 13) ~= ARGV[2] then
  return 0
end
redis.call('HSET', KEYS[1], ARGV[1], string.sub(held, 1, 4) .. string.sub(ARGV[3], 5))
return 1
