#!lua
-- Appends the events of one flush to the log of one partition.
--
-- KEYS  1 log, 2 ids, 3 claims, 4 counters, 5 types, 6 flush (one per flush), 7.. index streams
-- ARGV  1 partition number, 2 TTL of the flush key in ms, 3 count of event types T, then T times an event type and the
--       position in KEYS of its index, then three per event: header (its first 16 bytes are the digest), data, and
--       positions in KEYS of its type index (>I2) and of its subject index or 0 (>I2) with the given id or nothing
-- Returns one string: milliseconds (>I8) and sequence (>I4) of the first new event, zeros if there is none, then per
--       event its outcome (0 new, 1 duplicate, 2 the id belongs to another event), for 1 and 2 with milliseconds and
--       sequence of the event that has the id, zeros when it lies in another partition. New events follow each other.
-- Invariant: a repeated call with the same flush key changes nothing and answers the same; an event that is refused
--       leaves nothing.

local call, sub, byte = redis.call, string.sub, string.byte
local KEYS, ARGV = KEYS, ARGV

local saved = call('GET', KEYS[6])
if saved then
  return saved
end

local partition = tonumber(ARGV[1])
local log, given_ids = KEYS[1], KEYS[2]
local claimed = call('EXISTS', KEYS[3]) == 1
local NOBODY = string.rep('\0', 12)
local answers, indexed, accepted = {}, {}, 0
local ms, prefix, first, seq

local function existing(id, digest)
  local held = call('HGET', given_ids, id)
  if held then
    return (sub(held, 13, 28) == digest and '\1' or '\2') .. sub(held, 1, 12)
  end
  local claim = claimed and call('HGET', KEYS[3], id)
  if claim and struct.unpack('>I2', claim) ~= partition then
    return '\2' .. NOBODY
  end
  return nil
end

-- The clock stands still in a script: what follows the first entry has the same milliseconds and the next sequence.
local function add(header, data)
  if ms then
    seq = seq + 1
    local id = prefix .. seq
    call('XADD', log, id, 'h', header, 'd', data)
    return id
  end
  local id = call('XADD', log, '*', 'h', header, 'd', data)
  ms, seq = string.match(id, '^(%d+)-(%d+)$')
  prefix, ms, seq = ms .. '-', tonumber(ms), tonumber(seq)
  first = struct.pack('>I8I4', ms, seq)
  return id
end

local function append(header, data, rest)
  local digest
  local given = #rest > 4
  if given then
    given, digest = sub(rest, 5), sub(header, 1, 16)
    local known = existing(given, digest)
    if known then
      return known
    end
  end
  local id = add(header, data)
  local high, low, subject_high, subject_low = byte(rest, 1, 4)
  local type_index, subject_index = high * 256 + low, subject_high * 256 + subject_low
  call('XADD', KEYS[type_index], id, '', '')
  indexed[type_index] = true
  if subject_index > 0 then
    call('XADD', KEYS[subject_index], id, '', '')
  end
  if given then
    call('HSET', given_ids, given, struct.pack('>I8I4', ms, seq) .. digest)
  end
  accepted = accepted + 1
  return '\0'
end

local at_events = 4 + 2 * tonumber(ARGV[3])
for at = at_events, #ARGV, 3 do
  answers[#answers + 1] = append(ARGV[at], ARGV[at + 1], ARGV[at + 2])
end
for at = 4, at_events - 1, 2 do
  if indexed[tonumber(ARGV[at + 1])] then
    call('SADD', KEYS[5], ARGV[at])
  end
end
if ms then
  local hour = string.format('%.0f', math.floor(ms / 3600000))
  call('HINCRBY', KEYS[4], hour .. ':accepted', accepted)
  call('HINCRBY', KEYS[4], hour .. ':unread', accepted)
end
local answer = (first or NOBODY) .. table.concat(answers)
call('SET', KEYS[6], answer, 'PX', ARGV[2])
return answer
