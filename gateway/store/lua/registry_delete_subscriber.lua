#!lua flags=allow-oom
-- Removes a subscriber and its endpoints; their names stay, for the history.
--
-- KEYS  1 subscribers, 2 endpoints, 3 numbers, 4 health, 5 changes
-- ARGV  1 subscriber id
-- Returns the number of endpoints removed, -1 when there is no such subscriber.
-- Invariant: all or nothing; no endpoint is left without its subscriber.

local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then
  return -1
end
local count = struct.unpack('>I4', value, 18)
for index = 0, count - 1 do
  local number = struct.unpack('>I4', value, 22 + 4 * index)
  local name = redis.call('HGET', KEYS[3], number)
  local endpoint = name and string.match(name, '^(%S+) ')
  if endpoint then
    redis.call('HDEL', KEYS[2], endpoint)
    redis.call('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'kind', 'endpoint', 'id', endpoint)
  end
  redis.call('HDEL', KEYS[4], number)
end
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'kind', 'subscriber', 'id', ARGV[1])
return count
