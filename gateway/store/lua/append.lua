#!lua
-- Appends the events of one flush to the log of one partition.
--
-- KEYS  1 log, 2 ids, 3 claims, 4 counters, 5 types, 6 flush (one per flush), 7.. index streams
-- ARGV  1 partition number, 2 TTL of the flush key in ms, 3 count of event types T, then T times an event type and the
--       position in KEYS of its index, then three per event: header (its first 16 bytes are the digest), data, and
--       positions in KEYS of its type index (>I2) and of its subject index or 0 (>I2) with the given id or nothing
-- Returns one string, 13 bytes per event: outcome (0 new, 1 duplicate, 2 the id belongs to another event),
--       milliseconds (>I8) and sequence (>I4) of the event's stream id; zeros when it lies in another partition.
-- Invariant: a repeated call with the same flush key changes nothing and answers the same; an event that is refused
--       leaves nothing.

local saved = redis.call('GET', KEYS[6])
if saved then
  return saved
end

local partition = tonumber(ARGV[1])
local answers, indexed, accepted = {}, {}, 0
local claimed = redis.call('EXISTS', KEYS[3]) == 1
local ms, seq

local function existing(id, digest)
  local held = redis.call('HGET', KEYS[2], id)
  if held then
    local outcome = string.sub(held, 13, 28) == digest and 1 or 2
    return string.char(outcome) .. string.sub(held, 1, 12)
  end
  local claim = claimed and redis.call('HGET', KEYS[3], id)
  if claim and struct.unpack('>I2', claim) ~= partition then
    return string.char(2) .. string.rep('\0', 12)
  end
  return nil
end

-- The clock stands still in a script: what follows the first entry has the same milliseconds and the next sequence.
local function add(header, data)
  if ms then
    seq = seq + 1
    local id = ms .. '-' .. string.format('%.0f', seq)
    redis.call('XADD', KEYS[1], id, 'h', header, 'd', data)
    return id
  end
  local id = redis.call('XADD', KEYS[1], '*', 'h', header, 'd', data)
  ms, seq = string.match(id, '^(%d+)-(%d+)$')
  seq = tonumber(seq)
  return id
end

local function append(header, data, rest)
  local type_index, subject_index = struct.unpack('>I2I2', rest)
  local given, digest = string.sub(rest, 5), string.sub(header, 1, 16)
  local known = given ~= '' and existing(given, digest)
  if known then
    return known
  end
  local id = add(header, data)
  redis.call('XADD', KEYS[type_index], id, '', '')
  indexed[type_index] = true
  if subject_index > 0 then
    redis.call('XADD', KEYS[subject_index], id, '', '')
  end
  local packed = struct.pack('>I8I4', tonumber(ms), seq)
  if given ~= '' then
    redis.call('HSET', KEYS[2], given, packed .. digest)
  end
  accepted = accepted + 1
  return '\0' .. packed
end

local first = 4 + 2 * tonumber(ARGV[3])
for at = first, #ARGV, 3 do
  answers[#answers + 1] = append(ARGV[at], ARGV[at + 1], ARGV[at + 2])
end
for at = 4, first - 1, 2 do
  if indexed[tonumber(ARGV[at + 1])] then
    redis.call('SADD', KEYS[5], ARGV[at])
  end
end
if ms then
  local hour = string.format('%.0f', math.floor(ms / 3600000))
  redis.call('HINCRBY', KEYS[4], hour .. ':accepted', accepted)
  redis.call('HINCRBY', KEYS[4], hour .. ':unread', accepted)
end
local answer = table.concat(answers)
redis.call('SET', KEYS[6], answer, 'PX', ARGV[2])
return answer
