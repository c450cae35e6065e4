#!lua flags=allow-oom
-- Shows that a dispatcher lives, and by how much its clock differs from the store's.
--
-- KEYS  1 members
-- ARGV  1 its id, 2 what its clock says, in ms
-- Returns all members as id, value, id, value, ...; a value is `beat:ahead`, ahead in ms.
-- Invariant: the beat of a living member changes with each call; a repeated call raises it once more, which is harmless
--       since beats are compared for equality only. `ahead` is shown to people; nothing is decided by it.

local time = redis.call('TIME')
local ahead = ARGV[2] - time[1] * 1000 - math.floor(time[2] / 1000)
local value = redis.call('HGET', KEYS[1], ARGV[1])
local beat = value and string.match(value, '^%d+') or 0
redis.call('HSET', KEYS[1], ARGV[1], string.format('%.0f:%.0f', beat + 1, ahead))
return redis.call('HGETALL', KEYS[1])
