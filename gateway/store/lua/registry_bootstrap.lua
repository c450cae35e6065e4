#!lua flags=allow-oom
-- Fixes what a deployment keeps for good, at its first start.
--
-- KEYS  1 meta, 2 changes
-- ARGV  1 partition count, 2 cursor key (32 random bytes)
-- Returns {partition count, cursor key} as they are stored.
-- Invariant: what is stored once is never changed by a later start; the change stream is not empty.

redis.call('HSETNX', KEYS[1], 'partitions', ARGV[1])
redis.call('HSETNX', KEYS[1], 'cursor_key', ARGV[2])
if redis.call('XLEN', KEYS[2]) == 0 then
  redis.call('XADD', KEYS[2], '*', 'kind', 'start', 'id', '')
end
return redis.call('HMGET', KEYS[1], 'partitions', 'cursor_key')
