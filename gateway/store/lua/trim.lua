#!lua flags=allow-oom
-- Removes trimmed deliveries and events; what is still wanted of an event is kept first, in the same script.
--
-- KEYS  1 lease, 2 log, 3 fanned, 4 unmatched, 5 ids, 6 unclaim, 7 kept, 8 late, 9 trimmed, 10 dead, 11 types,
--       12 recorded, 13 work, 14.. record, attempt, endpoint, late, type and subject index keys
-- ARGV  1 token, 2 count of delivery steps, 3 count of event steps, then
--       a delivery step (6): packed key, position of its records, position of its attempts, position of its endpoint's
--         stream, position of its late index,
--         'e' (in the endpoint's stream) or 'l' (in its late index) to remove; 'E' or 'L' to let it stay, as late
--       an event step (7): stream id, given id or '', '1' if its claim lies in another slot, event type, position of
--         its type index, position of its subject index or '0', packed (endpoint, run) of the deliveries that stay
-- Returns 1, or 0 when the token is another's, or 2 when a delivery to be removed is open or ordered, or an event is
--       not behind the mark: then nothing was done.
-- Invariant: an open delivery is never removed; an event leaves the log only behind the mark, and with open
--       deliveries only into `kept`, where its given id still counts; `trimmed` counts what is gone, so that the ledger
--       can still be recounted.

if redis.call('HGET', KEYS[1], 'token') ~= ARGV[1] then
  return 0
end

local NAMES = {'pending', 'scheduled', 'held', 'delivered', 'dead', 'skipped'}
local HELD, DEAD = 3, 5
local counts = {}

local function count(ms, name)
  local field = string.format('%.0f', math.floor(ms / 3600000)) .. ':' .. name
  counts[field] = (counts[field] or 0) + 1
end

local function parts(key)
  local high, low, seq = struct.unpack('>I2I4I4', key)
  local ms = high * 4294967296 + low
  return ms, string.format('%.0f', ms) .. '-' .. seq
end

local function wanted(at)
  if ARGV[at + 5] == 'E' or ARGV[at + 5] == 'L' then
    return false
  end
  local record = redis.call('HGET', KEYS[tonumber(ARGV[at + 1])], ARGV[at])
  return (record and string.byte(record) <= HELD) or redis.call('HEXISTS', KEYS[13], ARGV[at]) == 1
end

local mark_ms, mark_seq = string.match(redis.call('GET', KEYS[12]) or '0-0', '^(%d+)-(%d+)$')

local function unread(id)
  local ms, seq = string.match(id, '^(%d+)-(%d+)$')
  return ms + 0 > mark_ms + 0 or (ms == mark_ms and seq + 0 > mark_seq + 0)
end

local function unindex(key, id, ms, at)
  local kind, stream, late = ARGV[at + 5], KEYS[tonumber(ARGV[at + 3])], KEYS[tonumber(ARGV[at + 4])]
  if kind == 'e' or kind == 'E' then
    redis.call('XDEL', stream, id)
    if redis.call('XLEN', stream) == 0 then
      redis.call('DEL', stream)
    end
  end
  if kind == 'E' then
    redis.call('ZADD', late, ms, key)
  elseif kind == 'l' then
    redis.call('ZREM', late, key)
  end
end

local function remove(at)
  local key, records, attempts = ARGV[at], KEYS[tonumber(ARGV[at + 1])], KEYS[tonumber(ARGV[at + 2])]
  local record, kind = redis.call('HGET', records, key), ARGV[at + 5]
  local ms, id = parts(key)
  unindex(key, id, ms, at)
  if not record or kind == 'E' or kind == 'L' then
    return
  end
  local state = string.byte(record)
  for number = 1, struct.unpack('>I2', record, 3) do
    redis.call('HDEL', attempts, key .. struct.pack('>I2', number))
  end
  redis.call('HDEL', records, key)
  if state == DEAD then
    redis.call('ZREM', KEYS[10], key)
  end
  count(ms, 'created')
  count(ms, NAMES[state])
end

local function keep(id, entry)
  local fields = {}
  for at = 1, #entry, 2 do
    fields[entry[at]] = entry[at + 1]
  end
  local header, data = fields.h or '', fields.d or ''
  redis.call('HSET', KEYS[7], id, struct.pack('>I4', #header) .. header .. data)
end

local function forget(id, given, claimed_elsewhere)
  redis.call('HDEL', KEYS[8], id)
  redis.call('HDEL', KEYS[7], id)
  if given ~= '' and redis.call('HDEL', KEYS[5], given) == 1 and claimed_elsewhere == '1' then
    redis.call('RPUSH', KEYS[6], given)
  end
end

local function leave(at)
  local id, stay = ARGV[at], ARGV[at + 6]
  local entry = redis.call('XRANGE', KEYS[2], id, id)[1]
  if stay ~= '' then
    redis.call('HSET', KEYS[8], id, stay)
  else
    forget(id, ARGV[at + 1], ARGV[at + 2])
  end
  if not entry then
    return
  end
  if stay ~= '' then
    keep(id, entry[2])
  end
  redis.call('XDEL', KEYS[2], id)
  local fanned = redis.call('XDEL', KEYS[3], id)
  local unmatched = redis.call('XDEL', KEYS[4], id)
  local types, subject = tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  if types > 0 and redis.call('XDEL', KEYS[types], id) == 1 and redis.call('XLEN', KEYS[types]) == 0 then
    redis.call('DEL', KEYS[types])
    redis.call('SREM', KEYS[11], ARGV[at + 3])
  end
  if subject > 0 then
    redis.call('XDEL', KEYS[subject], id)
  end
  local ms = tonumber(string.match(id, '^%d+'))
  count(ms, 'accepted')
  if unmatched == 1 then
    count(ms, 'unmatched')
  elseif fanned == 1 then
    count(ms, 'fanned')
  end
end

local deliveries, events, at = tonumber(ARGV[2]), tonumber(ARGV[3]), 4
for n = 0, deliveries - 1 do
  if wanted(at + 6 * n) then
    return 2
  end
end
for n = 0, events - 1 do
  if unread(ARGV[at + 6 * deliveries + 7 * n]) then
    return 2
  end
end
for _ = 1, deliveries do
  remove(at)
  at = at + 6
end
for _ = 1, events do
  leave(at)
  at = at + 7
end
for field, by in pairs(counts) do
  redis.call('HINCRBY', KEYS[9], field, by)
end
return 1
