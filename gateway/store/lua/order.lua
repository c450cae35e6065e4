#!lua
-- Puts orders for the owner of a partition: a manual attempt, a replay's deliveries, a probe. Never changes a record.
--
-- KEYS  1 work, 2 recorded, 3.. record hashes
-- ARGV  1 order (kind byte: 1 manual, 2 manual with a new schedule, 3 fill, 4 again, 5 probe; run (>I4); nonce (8)),
--       then two per delivery: packed key, position of its record hash
-- Returns per delivery {answer, record or ''}, where answer is queued, in_flight (pending, or ordered already; probe:
--       open), missing (manual, but there is no such delivery), kept (replay: nothing to do; probe: delivered) or ahead
--       (replay and probe: the entry is not behind the recorded mark yet).
-- Invariant: one order per delivery at a time; a repeated call with the same nonce answers queued again.

local kind = string.byte(ARGV[1])
local run = struct.unpack('>I4', ARGV[1], 2)
local MANUAL_RETRY, AGAIN, PROBE = 2, 4, 5
local PENDING, HELD, DELIVERED, DEAD = 1, 3, 4, 5
local mark_ms, mark_seq = string.match(redis.call('GET', KEYS[2]) or '0-0', '^(%d+)-(%d+)$')
mark_ms, mark_seq = tonumber(mark_ms), tonumber(mark_seq)

local function behind_mark(key)
  local high, low, seq = struct.unpack('>I2I4I4', key)
  local ms = high * 4294967296 + low
  return ms < mark_ms or (ms == mark_ms and seq <= mark_seq)
end

local function decide(key, record)
  local ordered = redis.call('HGET', KEYS[1], key)
  if ordered then
    return ordered == ARGV[1] and 'queued' or 'in_flight'
  end
  local state = record and string.byte(record) or 0
  if kind <= MANUAL_RETRY then
    if not record then
      return 'missing'
    end
    return state == PENDING and 'in_flight' or 'queue'
  end
  if not behind_mark(key) then
    return 'ahead'
  end
  if kind == PROBE and record and state < DELIVERED then
    return 'in_flight'
  end
  if not record or (kind ~= AGAIN and state >= DEAD) then
    return 'queue'
  end
  -- what a replay brought and a pause held, it may bring again: live events may be waiting for it
  if state == HELD and run > 0 and struct.unpack('>I4', record, 25) == run then
    return 'queue'
  end
  return 'kept'
end

local answers = {}
for at = 2, #ARGV, 2 do
  local record = redis.call('HGET', KEYS[tonumber(ARGV[at + 1])], ARGV[at])
  local answer = decide(ARGV[at], record)
  if answer == 'queue' then
    redis.call('HSET', KEYS[1], ARGV[at], ARGV[1])
    answer = 'queued'
  end
  answers[#answers + 1] = {answer, record or ''}
end
return answers
