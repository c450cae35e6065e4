#!lua flags=allow-oom
-- Give one webhook id back after a handler failed.
--
-- KEYS[1]  string of this webhook id, as in claim.lua
-- ARGV[1]  token of the caller
-- Returns  1 released; 0 the token does not hold the claim, nothing changed
-- Invariant: only the holder's token removes a claim; done is never removed.
local value = redis.call('GET', KEYS[1])
if not value or string.match(value, '^claimed:%d+:(.*)$') ~= ARGV[1] then
  return 0
end
redis.call('DEL', KEYS[1])
return 1
