#!lua flags=allow-oom
-- Removes what was published of a partition's outbox.
--
-- KEYS  1 outbox
-- ARGV  1 field, 2 the newest delivery that was read, 3 the count that was read, 4 token of this call (8 random bytes)
-- Returns how many dead letters are left to be announced.
-- Invariant: dead letters that came after the read stay counted and named; a repeated call (same token) takes nothing
--       off a second time. The token stays in field `<field>:told`, one per endpoint.

local field, told = ARGV[1], ARGV[1] .. ':told'
if redis.call('HGET', KEYS[1], told) == ARGV[4] then
  return tonumber(redis.call('HGET', KEYS[1], field .. ':count') or 0)
end
local newest = redis.call('HGET', KEYS[1], field)
if not newest then
  return 0
end
redis.call('HSET', KEYS[1], told, ARGV[4])
local left = redis.call('HINCRBY', KEYS[1], field .. ':count', -tonumber(ARGV[3]))
if newest == ARGV[2] and left <= 0 then
  redis.call('HDEL', KEYS[1], field, field .. ':count')
  return 0
end
return left
