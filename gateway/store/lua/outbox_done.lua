#!lua flags=allow-oom
-- Removes what was published of a partition's outbox.
--
-- KEYS  1 outbox
-- ARGV  1 field, 2 the newest delivery that was read, 3 the count that was read
-- Returns how many dead letters are left to be announced.
-- Invariant: dead letters that came after the read stay counted and named.

if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
  redis.call('HDEL', KEYS[1], ARGV[1], ARGV[1] .. ':count')
  return 0
end
if redis.call('HEXISTS', KEYS[1], ARGV[1]) == 0 then
  return 0
end
return redis.call('HINCRBY', KEYS[1], ARGV[1] .. ':count', -tonumber(ARGV[3]))
