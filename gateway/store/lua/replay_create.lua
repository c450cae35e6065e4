#!lua
-- Creates a replay and numbers its run.
--
-- KEYS  1 meta, 2 replays, 3 order of replays
-- ARGV  1 replay id, 2 its value with run 0 (run (4, big-endian), token of the last change (8), JSON),
--       3 time of creation in ms
-- Returns the stored value.
-- Invariant: a run is never numbered twice; a repeated call (same id) changes nothing and answers the same.

local held = redis.call('HGET', KEYS[2], ARGV[1])
if held then
  return held
end
local value = struct.pack('>I4', redis.call('HINCRBY', KEYS[1], 'last_run', 1)) .. string.sub(ARGV[2], 5)
redis.call('HSET', KEYS[2], ARGV[1], value)
redis.call('ZADD', KEYS[3], ARGV[3], ARGV[1])
return value
