#!lua flags=allow-oom
-- Removes an endpoint; its name stays, for the history.
--
-- KEYS  1 subscribers, 2 endpoints, 3 numbers, 4 health, 5 changes, 6 breakers, 7 filter errors
-- ARGV  1 endpoint id
-- Returns 1, or 0 when there is no such endpoint.
-- Invariant: the subscriber's list of endpoints loses exactly this one.

local value = redis.call('HGET', KEYS[2], ARGV[1])
if not value then
  return 0
end
local packed = string.sub(value, 9, 12)
local number = struct.unpack('>I4', packed)
local name = redis.call('HGET', KEYS[3], number)
local subscriber = name and string.match(name, ' (%S+)$')
local owner = subscriber and redis.call('HGET', KEYS[1], subscriber)

if owner then
  local count = struct.unpack('>I4', owner, 18)
  for at = 22, 18 + 4 * count, 4 do
    if string.sub(owner, at, at + 3) == packed then
      redis.call('HSET', KEYS[1], subscriber, string.sub(owner, 1, 17) .. struct.pack('>I4', count - 1)
        .. string.sub(owner, 22, at - 1) .. string.sub(owner, at + 4))
      break
    end
  end
end
redis.call('HDEL', KEYS[2], ARGV[1])
redis.call('HDEL', KEYS[4], number)
redis.call('HDEL', KEYS[6], number)
redis.call('HDEL', KEYS[7], number)
redis.call('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'kind', 'endpoint', 'id', ARGV[1])
return 1
