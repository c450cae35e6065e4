#!lua flags=allow-oom
-- Removes a subscriber and its endpoints, at most 256 of them in one call; their names stay, for the history.
--
-- KEYS  1 subscribers, 2 endpoints, 3 numbers, 4 health, 5 changes, 6 breakers, 7 filter errors
-- ARGV  1 subscriber id
-- Returns the number of endpoints that it still has; 0 when it is gone, or was.
-- Invariant: the subscriber goes with its last endpoints, so no endpoint is ever without one, and a removal that was
--       interrupted is finished by asking for it again.

local BATCH = 256
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then
  return 0
end
local count = struct.unpack('>I4', value, 18)
local left = math.max(count - BATCH, 0)

local function remove(index)
  local number = struct.unpack('>I4', value, 22 + 4 * index)
  local name = redis.call('HGET', KEYS[3], number)
  local endpoint = name and string.match(name, '^(%S+) ')
  if endpoint then
    redis.call('HDEL', KEYS[2], endpoint)
    redis.call('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'kind', 'endpoint', 'id', endpoint)
  end
  redis.call('HDEL', KEYS[4], number)
  redis.call('HDEL', KEYS[6], number)
  redis.call('HDEL', KEYS[7], number)
end

for index = left, count - 1 do
  remove(index)
end
if left > 0 then
  redis.call('HSET', KEYS[1], ARGV[1], string.sub(value, 1, 17) .. struct.pack('>I4', left)
    .. string.sub(value, 22, 21 + 4 * left) .. string.sub(value, 22 + 4 * count))
else
  redis.call('HDEL', KEYS[1], ARGV[1])
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'kind', 'subscriber', 'id', ARGV[1])
end
return left
