#!lua flags=allow-oom
-- Enables an endpoint and forgets its failures.
--
-- KEYS  1 endpoints, 2 health, 3 changes
-- ARGV  1 endpoint id, 2 now in ms
-- Returns the stored value, '' when there is no such endpoint.
-- Invariant: an endpoint that is enabled stays as it is, its failures too.

local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held then
  return ''
end
if string.byte(held, 18) == 0 then
  return held
end
local number, revision = struct.unpack('>I4', held, 9), struct.unpack('>I4', held, 14)
local value = string.sub(held, 1, 13) .. struct.pack('>I4BI8I8', revision + 1, 0, 0, tonumber(ARGV[2]))
  .. string.sub(held, 35)
redis.call('HSET', KEYS[1], ARGV[1], value)
redis.call('HDEL', KEYS[2], number)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'kind', 'endpoint', 'id', ARGV[1])
return value
