#!lua flags=allow-oom
-- Creates a subscriber with its first endpoints, or endpoints of a subscriber that exists; numbers the endpoints.
--
-- KEYS  1 meta, 2 subscribers, 3 endpoints, 4 numbers, 5 changes
-- ARGV  1 token of this call, 2 subscriber id, 3 kind (i or e), 4 value of the new subscriber, or '' if it exists,
--       then two per endpoint: id, value with number 0 (layouts: registry_values.py)
-- Returns {'created', the stored value of each endpoint}, or, with nothing written, {'subscriber_exists'},
--       {'endpoint_exists', id}, {'subscriber_missing'} (also when it has another kind).
-- Invariant: all or nothing; a number is never used twice; a repeated call (same token) changes nothing and answers
--       the same; an endpoint has its subscriber's kind.

local token, subscriber = ARGV[1], ARGV[2]
local held = redis.call('HGET', KEYS[2], subscriber)

local function stored_values()
  local values = {'created'}
  for at = 5, #ARGV, 2 do
    values[#values + 1] = redis.call('HGET', KEYS[3], ARGV[at])
  end
  return values
end

local function is_own(value)
  return value and string.sub(value, 1, 8) == token
end

local function refusal()
  if ARGV[4] ~= '' and held then
    return {'subscriber_exists'}
  end
  if ARGV[4] == '' and not (held and string.sub(held, 9, 9) == ARGV[3]) then
    return {'subscriber_missing'}
  end
  local seen = {}
  for at = 5, #ARGV, 2 do
    if seen[ARGV[at]] or redis.call('HEXISTS', KEYS[3], ARGV[at]) == 1 then
      return {'endpoint_exists', ARGV[at]}
    end
    seen[ARGV[at]] = true
  end
  return nil
end

local function new_number(endpoint)
  local number
  repeat
    number = redis.call('HINCRBY', KEYS[1], 'last_endpoint', 1)
  until redis.call('HSETNX', KEYS[4], number, endpoint .. ' ' .. subscriber) == 1
  return struct.pack('>I4', number)
end

local function announce(kind, id)
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'kind', kind, 'id', id)
end

local repeated = ARGV[4] ~= '' and is_own(held)
if ARGV[4] == '' and ARGV[5] then
  repeated = is_own(redis.call('HGET', KEYS[3], ARGV[5]))
end
if repeated then
  return stored_values()
end
local refused = refusal()
if refused then
  return refused
end

local value = held or ARGV[4]
local count = struct.unpack('>I4', value, 18)
local numbers = {}
for at = 5, #ARGV, 2 do
  local number = new_number(ARGV[at])
  local head, rest = string.sub(ARGV[at + 1], 1, 8), string.sub(ARGV[at + 1], 13)
  redis.call('HSET', KEYS[3], ARGV[at], head .. number .. rest)
  numbers[#numbers + 1] = number
end
redis.call('HSET', KEYS[2], subscriber, string.sub(value, 1, 17) .. struct.pack('>I4', count + #numbers)
  .. string.sub(value, 22, 21 + 4 * count) .. table.concat(numbers) .. string.sub(value, 22 + 4 * count))
if ARGV[4] ~= '' then
  announce('subscriber', subscriber)
end
for at = 5, #ARGV, 2 do
  announce('endpoint', ARGV[at])
end
return stored_values()
