#!lua flags=allow-oom
-- Replaces an endpoint, if nobody changed it since it was read.
--
-- KEYS  1 endpoints, 2 numbers, 3 health, 4 changes, 5 breakers
-- ARGV  1 endpoint id, 2 subscriber id, 3 new value (layout: registry_values.py), 4 revision that must be replaced
-- Returns the stored value, or '' with nothing written when the endpoint is gone, another's, or has another revision.
-- Invariant: token, number, kind and subscriber stay; enabling forgets the failures, any change closes the
--       breaker; a repeated call answers the same.

local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held then
  return ''
end
local number = struct.unpack('>I4', held, 9)
if redis.call('HGET', KEYS[2], number) ~= ARGV[1] .. ' ' .. ARGV[2] then
  return ''
end
local value = string.sub(held, 1, 13) .. string.sub(ARGV[3], 14)
if value == held then
  return value
end
if struct.unpack('>I4', held, 14) ~= tonumber(ARGV[4]) then
  return ''
end
if string.byte(held, 18) ~= 0 and string.byte(value, 18) == 0 then
  redis.call('HDEL', KEYS[3], number)
end
redis.call('HDEL', KEYS[5], number)
redis.call('HSET', KEYS[1], ARGV[1], value)
redis.call('XADD', KEYS[4], 'MAXLEN', '~', 10000, '*', 'kind', 'endpoint', 'id', ARGV[1])
return value
