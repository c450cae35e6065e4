#!lua flags=allow-oom
-- Adds up how often the filters of endpoints had no answer.
--
-- KEYS  1 filter_errors, 2 endpoints
-- ARGV  1 id of this call (8 bytes), then six per endpoint: id, number, digest of the filter's text (8 bytes), how
--       often, time of the last one in ms, why
-- Returns how many endpoints were counted for.
-- Invariant: a repeated call (same id) counts nothing twice; what was counted for another filter is forgotten; an
--       endpoint that is gone has no value.
--
-- A value: digest (8), count (4), last (8), why. Field `reports`: the ids of the last 128 calls.

local KEPT_CALLS = 128
local calls = redis.call('HGET', KEYS[1], 'reports') or ''
for at = 1, #calls, 8 do
  if string.sub(calls, at, at + 7) == ARGV[1] then
    return (#ARGV - 1) / 6
  end
end
redis.call('HSET', KEYS[1], 'reports', string.sub(calls .. ARGV[1], -8 * KEPT_CALLS))

local function is_there(id, number)
  local value = redis.call('HGET', KEYS[2], id)
  return value and struct.unpack('>I4', value, 9) == tonumber(number)
end

local function count(number, digest, times, last, why)
  local held = redis.call('HGET', KEYS[1], number)
  if held then
    local before, then_ms = struct.unpack('>I4I8', held, 9)
    if string.sub(held, 1, 8) == digest then
      times = math.min(times + before, 0xffffffff)
      if then_ms > last then
        last, why = then_ms, string.sub(held, 21)
      end
    elseif then_ms > last then
      return
    end
  end
  redis.call('HSET', KEYS[1], number, digest .. struct.pack('>I4I8', times, last) .. why)
end

local counted = 0
for at = 2, #ARGV, 6 do
  if is_there(ARGV[at], ARGV[at + 1]) then
    count(ARGV[at + 1], ARGV[at + 2], tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), ARGV[at + 5])
    counted = counted + 1
  end
end
return counted
