#!lua flags=allow-oom
-- Merges reports of how endpoints do, warns of those that go on failing, and disables endpoints: the only script that
-- does.
--
-- KEYS  1 health, 2 endpoints, 3 numbers, 4 outbox, 5 changes
-- ARGV  1 id of this call (8 bytes), or '' when it carries no counts, 2 now in ms, 3 ms of failure after which an
--       endpoint is disabled, then ten per endpoint: id, number (0 for any), reason to disable it at once (1 gone,
--       2 failing, 3 operator) or 0, successes, failures since the last success, time of the first of these, time of
--       the last success, time of the last failure, the last failure as JSON or '', time at which a delivery of it
--       became a dead letter or 0
-- Returns the ids of the endpoints that this call disabled.
-- Invariant: a repeated call (same id, same now) counts nothing twice and answers the same; an endpoint that was
--       disabled stays as it is, but that one that was failing may be gone; disabling as gone or failing leaves exactly
--       one entry in the outbox. Until an endpoint succeeds again it is told at most once that a delivery is dead
--       (`first_dead`), and once that half of the time is over (`half_time`); not when this call disables it.
--
-- A health value: consecutive failures (4), failing since (8), last success (8), last failure (8), what was told of
-- this period (1: 1 first_dead, 2 half_time), JSON of the last failure.
-- Field `reports` of health: the ids of the last 128 calls. Reports of several dispatchers arrive in any order, so a
-- success ends only the failures that began before it.

local call_id, now, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local reasons = {'gone', 'failing', 'operator'}
local GONE, FAILING, OPERATOR, PAUSED = 1, 2, 3, 4
local FIRST_DEAD, HALF_TIME = 1, 2
local KEPT_CALLS = 128

local function is_repeated()
  local calls = redis.call('HGET', KEYS[1], 'reports') or ''
  for at = 1, #calls, 8 do
    if string.sub(calls, at, at + 7) == call_id then
      return true
    end
  end
  redis.call('HSET', KEYS[1], 'reports', string.sub(calls .. call_id, -8 * KEPT_CALLS))
  return false
end

local function load_health(number)
  local value = redis.call('HGET', KEYS[1], number)
  if not value then
    return {failures = 0, since = 0, success = 0, failure = 0, told = 0, last = ''}
  end
  local failures, since, success, failure, told = struct.unpack('>I4I8I8I8B', value)
  return {
    failures = failures, since = since, success = success, failure = failure, told = told,
    last = string.sub(value, 30),
  }
end

local function begins(health, first)
  local since = math.max(first, health.success)
  health.since = health.since > 0 and math.min(health.since, since) or since
end

local function merge(health, at)
  local successes, failures, first = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local success, failure = tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7])
  if successes > 0 then
    health.success = math.max(health.success, success)
    if health.since <= success then
      health.failures, health.since, health.told = 0, 0, 0
    end
  end
  if failures > 0 and failure >= health.success then
    begins(health, first)
    health.failures = health.failures + failures
  end
  if tonumber(ARGV[at + 9]) > health.success then
    -- whoever tells of the dead letter may be faster than the report of the failure that made it one
    begins(health, tonumber(ARGV[at + 9]))
  end
  if failure >= health.failure and ARGV[at + 8] ~= '' then
    health.failure, health.last = failure, ARGV[at + 8]
  end
end

local function store_health(number, health)
  redis.call('HSET', KEYS[1], number,
    struct.pack('>I4I8I8I8B', health.failures, health.since, health.success, health.failure, health.told)
      .. health.last)
end

local function put(number, field, entry)
  local name = redis.call('HGET', KEYS[3], number)
  if name then
    entry.endpoint, entry.subscriber = string.match(name, '^(%S+) (%S+)$')
    entry.number, entry.at_ms = number, now
    redis.call('HSET', KEYS[4], field, cjson.encode(entry))
  end
end

local function tell_failing(number, health, bit, reason, last)
  if math.floor(health.told / bit) % 2 == 1 then
    return
  end
  health.told = health.told + bit
  put(number, number .. ':endpoint_failing:' .. reason .. ':' .. string.format('%.0f', health.since), {
    reason = reason, failing_since_ms = health.since, disables_at_ms = health.since + limit,
    consecutive_failures = health.failures, last_failure = last,
  })
end

local function warn(number, health, at)
  if health.since == 0 then
    return
  end
  if tonumber(ARGV[at + 9]) > health.success then
    tell_failing(number, health, FIRST_DEAD, 'first_dead', ARGV[at + 8])
  end
  if 2 * (now - health.since) >= limit then
    tell_failing(number, health, HALF_TIME, 'half_time', health.last)
  end
end

local function announce(number, reason, health)
  local field = number .. ':endpoint_disabled'
  local pending = redis.call('HGET', KEYS[4], field)
  put(number, field, {
    reason = reasons[reason], count = pending and cjson.decode(pending).count + 1 or 1,
    consecutive_failures = health.failures, failing_since_ms = health.since, last_success_ms = health.success,
    last_failure = health.last,
  })
end

local function disable(id, value, number, reason, health)
  local revision = struct.unpack('>I4', value, 14)
  redis.call('HSET', KEYS[2], id, string.sub(value, 1, 13)
    .. struct.pack('>I4BI8I8', revision + 1, reason, now, now) .. string.sub(value, 35))
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'kind', 'endpoint', 'id', id)
  if reason ~= OPERATOR then
    announce(number, reason, health)
  end
end

local repeated = call_id ~= '' and is_repeated()
local disabled = {}

local function handle(at)
  local id, reason = ARGV[at], tonumber(ARGV[at + 2])
  local value = redis.call('HGET', KEYS[2], id)
  local number = value and struct.unpack('>I4', value, 9)
  if not value or (ARGV[at + 1] ~= '0' and number ~= tonumber(ARGV[at + 1])) then
    return
  end
  local status, since = string.byte(value, 18), struct.unpack('>I8', value, 19)
  local on = status == 0 or status == PAUSED
  local health = load_health(number)
  if not repeated then
    merge(health, at)
  end
  if reason == 0 and health.since > 0 and now - health.since >= limit then
    reason = FAILING
  end
  if not repeated then
    if on and reason == 0 then
      warn(number, health, at)
    end
    store_health(number, health)
  end
  if reason > 0 and (on or (reason == GONE and status == FAILING)) then
    disable(id, value, number, reason, health)
    disabled[#disabled + 1] = id
  elseif reason > 0 and status == reason and since == now then
    disabled[#disabled + 1] = id
  end
end

for at = 4, #ARGV, 10 do
  handle(at)
end
return disabled
