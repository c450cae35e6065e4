#!lua flags=allow-oom
-- Adds the counters of hours of which nothing is left to hour 0, so that they do not grow for ever.
--
-- KEYS  1 lease, 2 counters, 3 trimmed
-- ARGV  1 token, then fields `hour:name`
-- Returns how many fields were folded.
-- Invariant: the sums over all hours stay; a repeated call finds nothing.

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end
local folded = 0
for at = 2, #ARGV do
  for _, key in ipairs({KEYS[2], KEYS[3]}) do
    local value = redis.call('HGET', key, ARGV[at])
    if value then
      redis.call('HINCRBY', key, '0:' .. string.match(ARGV[at], ':(.+)$'), value)
      redis.call('HDEL', key, ARGV[at])
      folded = folded + 1
    end
  end
end
return folded
