#!lua flags=allow-oom
-- Takes given ids off the list of claims to be released, once they are.
--
-- KEYS  1 unclaim
-- ARGV  given ids, as they were read from the head of the list
-- Returns how many were taken off.
-- Invariant: takes off only what stands at the head in this order; a repeated call takes nothing.

local gone = 0
for _, given in ipairs(ARGV) do
  if redis.call('LINDEX', KEYS[1], 0) ~= given then
    break
  end
  redis.call('LPOP', KEYS[1])
  gone = gone + 1
end
return gone
