#!lua flags=allow-oom
-- Mark one webhook id done.
--
-- KEYS[1]  string of this webhook id, as in claim.lua
-- ARGV[1]  token of the caller
-- ARGV[2]  ttl of the done entry, ms
-- Returns  1 done by this token (also when called again); 0 the token does not hold the claim, nothing changed
-- Invariant: only the holder's token makes an entry done. allow-oom: the entry only gets shorter, and a handler that has
--            run must be able to say so on a full server.
local value = redis.call('GET', KEYS[1])
if not value then
  return 0
end
if value == 'done:' .. ARGV[1] then
  return 1
end
local holder = string.match(value, '^claimed:%d+:(.*)$')
if holder ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], 'done:' .. ARGV[1], 'PX', ARGV[2])
return 1
