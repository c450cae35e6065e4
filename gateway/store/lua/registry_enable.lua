#!lua flags=allow-oom
-- Enables an endpoint that is disabled, forgets its failures and closes its breaker.
--
-- KEYS  1 endpoints, 2 health, 3 changes, 4 breakers
-- ARGV  1 endpoint id, 2 now in ms
-- Returns the stored value, '' when there is no such endpoint.
-- Invariant: an endpoint that is enabled or paused stays as it is, its failures too.

local ENABLED, PAUSED = 0, 4
local held = redis.call('HGET', KEYS[1], ARGV[1])
if not held then
  return ''
end
local status = string.byte(held, 18)
if status == ENABLED or status == PAUSED then
  return held
end
local number, revision = struct.unpack('>I4', held, 9), struct.unpack('>I4', held, 14)
local value = string.sub(held, 1, 13) .. struct.pack('>I4BI8I8', revision + 1, ENABLED, 0, tonumber(ARGV[2]))
  .. string.sub(held, 35)
redis.call('HSET', KEYS[1], ARGV[1], value)
redis.call('HDEL', KEYS[2], number)
redis.call('HDEL', KEYS[4], number)
redis.call('XADD', KEYS[3], 'MAXLEN', '~', 10000, '*', 'kind', 'endpoint', 'id', ARGV[1])
return value
