#!lua
-- Appends the events of one flush to the log of one partition.
--
-- KEYS  1 log, 2 ids, 3 claims, 4 counters, 5 types, 6 flush (one per flush), 7.. index streams
-- ARGV  1 partition number, 2 TTL of the flush key in ms, 3 count of event types T, then T times an event type and the
--       position in KEYS of its index, then six per event: header, data, given id or '', digest, position in KEYS of its
--       type index, position in KEYS of its subject index or '0'
-- Returns one string, 13 bytes per event: outcome (0 new, 1 duplicate, 2 the id belongs to another event),
--       milliseconds (>I8) and sequence (>I4) of the event's stream id; zeros when it lies in another partition.
-- Invariant: a repeated call with the same flush key changes nothing and answers the same; an event that is refused
--       leaves nothing.

local saved = redis.call('GET', KEYS[6])
if saved then
  return saved
end

local partition = tonumber(ARGV[1])
local answers, accepted, indexed = {}, {}, {}

local function existing(id, digest)
  local held = redis.call('HGET', KEYS[2], id)
  if held then
    local outcome = string.sub(held, 13, 28) == digest and 1 or 2
    return string.char(outcome) .. string.sub(held, 1, 12)
  end
  local claim = redis.call('HGET', KEYS[3], id)
  if claim and struct.unpack('>I2', claim) ~= partition then
    return string.char(2) .. string.rep('\0', 12)
  end
  return nil
end

local function append(at)
  local given, digest = ARGV[at + 2], ARGV[at + 3]
  local known = given ~= '' and existing(given, digest)
  if known then
    return known
  end
  local id = redis.call('XADD', KEYS[1], '*', 'h', ARGV[at], 'd', ARGV[at + 1])
  redis.call('XADD', KEYS[tonumber(ARGV[at + 4])], id, '', '')
  indexed[ARGV[at + 4]] = true
  if ARGV[at + 5] ~= '0' then
    redis.call('XADD', KEYS[tonumber(ARGV[at + 5])], id, '', '')
  end
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  local packed = struct.pack('>I8I4', tonumber(ms), tonumber(seq))
  if given ~= '' then
    redis.call('HSET', KEYS[2], given, packed .. digest)
  end
  local hour = math.floor(tonumber(ms) / 3600000)
  accepted[hour] = (accepted[hour] or 0) + 1
  return '\0' .. packed
end

local first = 4 + 2 * tonumber(ARGV[3])
for at = first, #ARGV, 6 do
  answers[#answers + 1] = append(at)
end
for at = 4, first - 1, 2 do
  if indexed[ARGV[at + 1]] then
    redis.call('SADD', KEYS[5], ARGV[at])
  end
end
for hour, count in pairs(accepted) do
  redis.call('HINCRBY', KEYS[4], hour .. ':accepted', count)
  redis.call('HINCRBY', KEYS[4], hour .. ':unread', count)
end
local answer = table.concat(answers)
redis.call('SET', KEYS[6], answer, 'PX', ARGV[2])
return answer
