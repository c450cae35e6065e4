#!lua flags=allow-oom
-- Compares and swaps one value of a hash in the registry's slot.
--
-- KEYS  1 the hash, 2 changes
-- ARGV  1 field, 2 value that must be there ('' for none), 3 new value ('' removes), 4 kind of the change to announce
--       ('' for none), 5 id of what changed
-- Returns 1 when the new value is in place, 0 with nothing written when another one is there.
-- Invariant: a repeated call answers the same and announces nothing twice.

local held = redis.call('HGET', KEYS[1], ARGV[1]) or ''
if held == ARGV[3] then
  return 1
end
if held ~= ARGV[2] then
  return 0
end
if ARGV[3] == '' then
  redis.call('HDEL', KEYS[1], ARGV[1])
else
  redis.call('HSET', KEYS[1], ARGV[1], ARGV[3])
end
if ARGV[4] ~= '' then
  redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'kind', ARGV[4], 'id', ARGV[5])
end
return 1
