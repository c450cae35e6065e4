#!lua flags=allow-oom
-- Enables an endpoint that was disabled as failing, since a probe of it succeeded.
--
-- KEYS  1 endpoints, 2 health, 3 numbers, 4 outbox, 5 changes
-- ARGV  1 endpoint id, 2 since when it must be disabled as failing, in ms, 3 now in ms, 4 id of the probe's delivery
-- Returns 1 when this call enabled it, 0 with nothing written when it is missing or in any other state.
-- Invariant: what a person did meanwhile stays; the failures are forgotten and the success is kept, with exactly one
--       entry in the outbox; a repeated call answers the same and writes nothing.

local FAILING = 2
local value = redis.call('HGET', KEYS[1], ARGV[1])
if not value then
  return 0
end
local number, _, revision, status, since, updated = struct.unpack('>I4c1I4BI8I8', value, 9)
local now = tonumber(ARGV[3])
if status ~= FAILING or since ~= tonumber(ARGV[2]) then
  return status == 0 and updated == now and 1 or 0
end
local health = redis.call('HGET', KEYS[2], number)
local failing_since = 0
if health then
  _, failing_since = struct.unpack('>I4I8', health)
end
redis.call('HSET', KEYS[1], ARGV[1],
  string.sub(value, 1, 13) .. struct.pack('>I4BI8I8', revision + 1, 0, 0, now) .. string.sub(value, 35))
redis.call('HSET', KEYS[2], number, struct.pack('>I4I8I8I8B', 0, 0, now, 0, 0))
redis.call('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'kind', 'endpoint', 'id', ARGV[1])
local name = redis.call('HGET', KEYS[3], number)
if name then
  local endpoint, subscriber = string.match(name, '^(%S+) (%S+)$')
  redis.call('HSET', KEYS[4], number .. ':endpoint_enabled:' .. string.format('%.0f', since), cjson.encode({
    endpoint = endpoint, number = number, subscriber = subscriber, at_ms = now, disabled_ms = since,
    failing_since_ms = failing_since, delivery = ARGV[4],
  }))
end
return 1
