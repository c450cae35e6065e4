#!lua flags=allow-oom
-- Shows that a dispatcher lives.
--
-- KEYS  1 members
-- ARGV  1 its id
-- Returns all members as id, beat, id, beat, ...
-- Invariant: the beat of a living member changes with each call; a repeated call raises it once more, which is harmless
--       since beats are compared for equality only.

redis.call('HINCRBY', KEYS[1], ARGV[1], 1)
return redis.call('HGETALL', KEYS[1])
