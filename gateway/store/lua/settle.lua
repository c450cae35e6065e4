#!lua flags=allow-oom
-- The one writer of delivery records: applies a batch of transitions and moves the recorded mark.
--
-- KEYS  1 lease, 2 recorded, 3 counters, 4 fanned, 5 unmatched, 6 open, 7 dead, 8 due, 9 lanes, 10 work, 11 late,
--       12 replayed, 13 outbox, 14 timing, 15 order, 16.. record, attempt, lane, late index and endpoint index keys
-- ARGV  1 token, 2 mark expected, 3 mark after, 4 items, 5 index entries, 6 passed events, 7 timings, then
--       an item (9): packed key, position of its records, record expected or '', record after, position of its
--         attempts or '0', attempt, position of its lane, position of its late index or '0', flags, where flags are
--         w remove the order, s a replay sent it, o allowed without the token, d announce a dead letter
--       an index entry (2): stream id, positions of endpoint indexes (>I2 each)
--       a passed event (2): stream id, packed endpoint numbers or '' when nobody matched
--       a timing (2): histogram field, count; taken only if this call applied a transition
-- Returns {'K' done, 'T' the token is another's, 'M' the mark is not the expected one;
--       one digit per item: 1 applied, 2 was applied before, 0 refused because the record is another}
-- Invariant: a record changes only from the record expected, and with it, in the same script, its state's counter,
--       its places (open, due, lane, order, dead) and the mark; a repeated call changes nothing. A mark that was deleted
--       is the one expected: nobody but the holder of the token moves it. What leaves `order` lets the next of its chain
--       go, in the same script.
-- A record is state (1), reason (1), attempts (2), status (2), error (1), failures (1), due (8), changed (8), run (4),
-- chain (4).

local NAMES = {'pending', 'scheduled', 'held', 'delivered', 'dead', 'skipped'}
local HELD_NAMES = {[9] = 'held_paused', [10] = 'held_breaker', [11] = 'held_order'}
local PENDING, HELD, DELIVERED, DEAD, ORDER = 1, 3, 4, 5, 11
local owner = redis.call('HGET', KEYS[1], 'token') == ARGV[1]
local counts, replayed, applied = {}, {}, false

local function add(totals, group, name, by)
  local names = totals[group] or {}
  totals[group] = names
  names[name] = (names[name] or 0) + by
end

local NOWHERE = {state = 0, due = 0, lane = false, chain = 0}

local function place(record)
  if record == '' then
    return NOWHERE
  end
  local state, reason = string.byte(record, 1, 2)
  local due, chain = struct.unpack('>I8', record, 9), struct.unpack('>I4', record, 29)
  return {
    state = state, due = due, held = state == HELD and HELD_NAMES[reason],
    lane = (state == PENDING and due == 0) or (state == HELD and reason ~= ORDER),
    chain = state <= HELD and chain or 0,
  }
end

-- what is read of each hash before anything is written, and what is written to it: one call each for all items
local current, writes = {}, {}

local function write(hash, field, value)
  local fields = writes[hash] or {}
  writes[hash] = fields
  fields[#fields + 1] = field
  fields[#fields + 1] = value
end

local function read_records(items)
  local wanted = {}
  for at = 8, 7 + 9 * items, 9 do
    local bucket = KEYS[tonumber(ARGV[at + 1])]
    local fields = wanted[bucket] or {}
    wanted[bucket] = fields
    fields[#fields + 1] = ARGV[at]
  end
  for bucket, fields in pairs(wanted) do
    local records = redis.call('HMGET', bucket, unpack(fields))
    for i, key in ipairs(fields) do
      current[key] = records[i]
    end
  end
end

local function swap(bucket, key, expected, after)
  local record = current[key] or ''
  if record == after then
    return '2'
  end
  if record ~= expected then
    return '0'
  end
  current[key] = after
  write(bucket, key, after)
  return '1'
end

local function move_lane(key, ms, into, lane)
  -- one value: unpack gives the next position, too
  local endpoint = struct.unpack('>I4', key, 11)
  if into then
    redis.call('ZADD', lane, ms, key)
    redis.call('SADD', KEYS[9], endpoint)
  else
    redis.call('ZREM', lane, key)
    if redis.call('EXISTS', lane) == 0 then
      redis.call('SREM', KEYS[9], endpoint)
    end
  end
end

local function move_order(key, chain, into)
  local member = string.sub(key, 11, 14) .. struct.pack('>I4', chain) .. string.sub(key, 1, 10) .. string.sub(key, 15, 18)
  if into then
    redis.call('ZADD', KEYS[15], 0, member)
  else
    redis.call('ZREM', KEYS[15], member)
  end
end

local function move(key, ms, old, new, lane)
  local was_open, is_open = old.state > 0 and old.state <= HELD, new.state <= HELD
  if is_open and not was_open then
    redis.call('ZADD', KEYS[6], ms, key)
  elseif was_open and not is_open then
    redis.call('ZREM', KEYS[6], key)
  end
  if new.due > 0 then
    redis.call('ZADD', KEYS[8], new.due, key)
  elseif old.due > 0 then
    redis.call('ZREM', KEYS[8], key)
  end
  if new.lane ~= old.lane then
    move_lane(key, ms, new.lane, lane)
  end
  if new.chain ~= old.chain then
    move_order(key, math.max(old.chain, new.chain), new.chain > 0)
  end
  if new.state == DEAD and old.state ~= DEAD then
    redis.call('ZADD', KEYS[7], ms, key)
  elseif old.state == DEAD and new.state ~= DEAD then
    redis.call('ZREM', KEYS[7], key)
  end
end

local function count_state(hour, place, by)
  if place.state > 0 then
    add(counts, hour, NAMES[place.state], by)
  end
  if place.held then
    add(counts, hour, place.held, by)
  end
  if place.chain > 0 then
    add(counts, hour, 'chained', by)
  end
end

local function count_replay(run, old, new, sent)
  if run == 0 or (old.state == new.state and not (sent and new.state == DEAD)) then
    return
  end
  if new.state == DELIVERED then
    add(replayed, run, 'delivered', 1)
  elseif new.state > DELIVERED then
    add(replayed, run, 'failed', 1)
  end
end

local function count(hour, old, new, after, attempted)
  if old.state == 0 then
    add(counts, hour, 'created', 1)
  end
  if old.state ~= new.state or old.held ~= new.held or old.chain ~= new.chain then
    count_state(hour, old, -1)
    count_state(hour, new, 1)
  end
  if attempted then
    add(counts, hour, 'attempts', 1)
    if string.byte(after, 7) ~= 0 then
      add(counts, hour, 'failed', 1)
    end
  end
end

local function file_late(key, ms, index)
  local id = ms .. '-' .. struct.unpack('>I4', key, 7)
  local before = redis.call('HGET', KEYS[11], id) or ''
  redis.call('HSET', KEYS[11], id, before .. string.sub(key, 11, 18))
  redis.call('ZADD', index, ms, key)
end

local function announce(key)
  local field = struct.unpack('>I4', key, 11) .. ':dead'
  redis.call('HSET', KEYS[13], field, key)
  redis.call('HINCRBY', KEYS[13], field .. ':count', 1)
end

local function settle(at)
  local key, before, after, flags = ARGV[at], ARGV[at + 2], ARGV[at + 3], ARGV[at + 8]
  if not owner and not string.find(flags, 'o', 1, true) then
    return '0'
  end
  local done = swap(KEYS[tonumber(ARGV[at + 1])], key, before, after)
  if done ~= '1' then
    return done
  end
  applied = true
  local high, low = struct.unpack('>I2I4', key)
  local ms = high * 4294967296 + low
  local hour = math.floor(ms / 3600000)
  local attempted = ARGV[at + 4] ~= '0'
  if attempted then
    write(KEYS[tonumber(ARGV[at + 4])], key .. string.sub(after, 3, 4), ARGV[at + 5])
  end
  local old, new = place(before), place(after)
  move(key, ms, old, new, KEYS[tonumber(ARGV[at + 6])])
  count(hour, old, new, after, attempted)
  local run, sent = struct.unpack('>I4', after, 25), string.find(flags, 's', 1, true)
  count_replay(run, old, new, sent)
  if before == '' and ARGV[at + 7] ~= '0' then
    file_late(key, ms, KEYS[tonumber(ARGV[at + 7])])
  end
  if flags ~= '' then
    if string.find(flags, 'w', 1, true) then
      redis.call('HDEL', KEYS[10], key)
    end
    if sent then
      add(replayed, run, 'sent', 1)
    end
    if string.find(flags, 'd', 1, true) then
      announce(key)
    end
  end
  return '1'
end

local function index(at)
  local positions = ARGV[at + 1]
  for p = 1, #positions, 2 do
    -- refused when this event, or a later one, is in the index already: a repetition
    redis.pcall('XADD', KEYS[struct.unpack('>I2', positions, p)], ARGV[at], '', '')
  end
end

local function pass(at)
  local added = redis.pcall('XADD', KEYS[4], ARGV[at], 'e', ARGV[at + 1])
  if type(added) == 'table' and added.err then
    return
  end
  local hour = math.floor(tonumber(string.match(ARGV[at], '^%d+')) / 3600000)
  add(counts, hour, 'unread', -1)
  if ARGV[at + 1] == '' then
    redis.pcall('XADD', KEYS[5], ARGV[at], '', '')
    add(counts, hour, 'unmatched', 1)
  else
    add(counts, hour, 'fanned', 1)
  end
end

local items, entries, passed, timings = tonumber(ARGV[4]), tonumber(ARGV[5]), tonumber(ARGV[6]), tonumber(ARGV[7])
local code, done, at = 'K', {}, 8
read_records(items)
for _ = 1, items do
  done[#done + 1] = settle(at)
  at = at + 9
end
if owner then
  local there = redis.call('GET', KEYS[2])
  local mark = there or ARGV[2]
  if mark == ARGV[2] then
    for _ = 1, entries do
      index(at)
      at = at + 2
    end
    for _ = 1, passed do
      pass(at)
      at = at + 2
    end
    for _ = 1, applied and timings or 0 do
      redis.pcall('HINCRBY', KEYS[14], ARGV[at], ARGV[at + 1])
      at = at + 2
    end
    if ARGV[3] ~= there then
      redis.call('SET', KEYS[2], ARGV[3])
    end
  elseif mark ~= ARGV[3] then
    code = 'M'
  end
else
  code = 'T'
end
for hash, fields in pairs(writes) do
  redis.call('HSET', hash, unpack(fields))
end
for key, totals in pairs({[KEYS[3]] = counts, [KEYS[12]] = replayed}) do
  for group, names in pairs(totals) do
    for name, by in pairs(names) do
      redis.call('HINCRBY', key, group .. ':' .. name, by)
    end
  end
end
return {code, table.concat(done)}
