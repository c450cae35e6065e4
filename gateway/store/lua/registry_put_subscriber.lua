#!lua flags=allow-oom
-- Creates a subscriber, or replaces what may be changed of it.
--
-- KEYS  1 subscribers, 2 changes
-- ARGV  1 subscriber id, 2 its value as if new (layout: registry_values.py), 3 the JSON that must be replaced, or ''
-- Returns 'created', 'replaced', or, with nothing written, 'kind_fixed' or 'conflict'.
-- Invariant: kind, time of creation and endpoints of an existing subscriber stay; a repeated call answers the same.

local held = redis.call('HGET', KEYS[1], ARGV[1])
local json_at, answer

if not held then
  if ARGV[3] ~= '' then
    return 'conflict'
  end
  held, answer = ARGV[2], 'created'
else
  if string.sub(held, 1, 8) == string.sub(ARGV[2], 1, 8) then
    return 'created'
  end
  if string.sub(held, 9, 9) ~= string.sub(ARGV[2], 9, 9) then
    return 'kind_fixed'
  end
  json_at = 22 + 4 * struct.unpack('>I4', held, 18)
  local present, wanted = string.sub(held, json_at), string.sub(ARGV[2], 22)
  if present == wanted then
    return 'replaced'
  end
  if ARGV[3] ~= '' and present ~= ARGV[3] then
    return 'conflict'
  end
  held, answer = string.sub(held, 1, json_at - 1) .. wanted, 'replaced'
end

redis.call('HSET', KEYS[1], ARGV[1], held)
redis.call('XADD', KEYS[2], 'MAXLEN', '~', 10000, '*', 'kind', 'subscriber', 'id', ARGV[1])
return answer
