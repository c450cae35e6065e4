#!lua flags=allow-oom
-- Raises the beat of a lease, or releases it.
--
-- KEYS  1 lease
-- ARGV  1 token, 2 'beat' or 'release'
-- Returns 1, or 0 when the lease is in other hands.
-- Invariant: only the holder of the token changes the lease.

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
if ARGV[2] == 'release' then
  redis.call('HSET', KEYS[1], 'owner', '')
else
  redis.call('HINCRBY', KEYS[1], 'beat', 1)
end
return 1
