#!lua flags=allow-oom
-- Takes a dispatcher off the list of members.
--
-- KEYS  1 members
-- ARGV  1 its id, 2 the beat that it must still have, or '' for whatever
-- Returns 1 when it is not on the list (any more), 0 when it has another beat.
-- Invariant: a member that beats is removed by itself only; a repeated call answers the same.

local value = redis.call('HGET', KEYS[1], ARGV[1])
if value and ARGV[2] ~= '' and string.match(value, '^%d+') ~= ARGV[2] then
  return 0
end
redis.call('HDEL', KEYS[1], ARGV[1])
return 1
