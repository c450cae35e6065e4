#!lua flags=allow-oom
-- Merges reports of how endpoints do, and disables endpoints: the only script that does.
--
-- KEYS  1 health, 2 endpoints, 3 numbers, 4 outbox, 5 changes
-- ARGV  1 id of this call (8 bytes), or '' when it carries no counts, 2 now in ms, 3 ms of failure after which an
--       endpoint is disabled, then nine per endpoint: id, number (0 for any), reason to disable it at once (1 gone,
--       2 failing, 3 operator) or 0, successes, failures since the last success, time of the first of these, time of
--       the last success, time of the last failure, the last failure as JSON or ''
-- Returns the ids of the endpoints that this call disabled.
-- Invariant: a repeated call (same id, same now) counts nothing twice and answers the same; an endpoint that was
--       disabled stays as it is; disabling as gone or failing leaves exactly one entry in the outbox.
--
-- A health value: consecutive failures (4), failing since (8), last success (8), last failure (8), JSON of the latter.
-- Field `reports` of health: the ids of the last 128 calls. Reports of several dispatchers arrive in any order, so a
-- success ends only the failures that began before it.

local call_id, now, limit = ARGV[1], tonumber(ARGV[2]), tonumber(ARGV[3])
local reasons = {'gone', 'failing', 'operator'}
local KEPT_CALLS, PAUSED = 128, 4

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
    return {failures = 0, since = 0, success = 0, failure = 0, last = ''}
  end
  local failures, since, success, failure = struct.unpack('>I4I8I8I8', value)
  return {failures = failures, since = since, success = success, failure = failure, last = string.sub(value, 29)}
end

local function merge(health, at)
  local successes, failures, first = tonumber(ARGV[at + 3]), tonumber(ARGV[at + 4]), tonumber(ARGV[at + 5])
  local success, failure = tonumber(ARGV[at + 6]), tonumber(ARGV[at + 7])
  if successes > 0 then
    health.success = math.max(health.success, success)
    if health.since <= success then
      health.failures, health.since = 0, 0
    end
  end
  if failures > 0 and failure >= health.success then
    local since = math.max(first, health.success)
    health.failures = health.failures + failures
    health.since = health.since > 0 and math.min(health.since, since) or since
  end
  if failure >= health.failure and ARGV[at + 8] ~= '' then
    health.failure, health.last = failure, ARGV[at + 8]
  end
end

local function store_health(number, health)
  redis.call('HSET', KEYS[1], number,
    struct.pack('>I4I8I8I8', health.failures, health.since, health.success, health.failure) .. health.last)
end

local function announce(number, name, reason, health)
  local field = number .. ':endpoint_disabled'
  local pending = redis.call('HGET', KEYS[4], field)
  local endpoint, subscriber = string.match(name, '^(%S+) (%S+)$')
  redis.call('HSET', KEYS[4], field, cjson.encode({
    endpoint = endpoint, number = number, subscriber = subscriber, reason = reasons[reason], at_ms = now,
    count = pending and cjson.decode(pending).count + 1 or 1, consecutive_failures = health.failures,
    failing_since_ms = health.since, last_success_ms = health.success, last_failure = health.last,
  }))
end

local function disable(id, value, number, reason, health)
  local revision = struct.unpack('>I4', value, 14)
  redis.call('HSET', KEYS[2], id, string.sub(value, 1, 13)
    .. struct.pack('>I4BI8I8', revision + 1, reason, now, now) .. string.sub(value, 35))
  redis.call('XADD', KEYS[5], 'MAXLEN', '~', 10000, '*', 'kind', 'endpoint', 'id', id)
  local name = redis.call('HGET', KEYS[3], number)
  if reason ~= 3 and name then
    announce(number, name, reason, health)
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
  local health = load_health(number)
  if not repeated then
    merge(health, at)
    store_health(number, health)
  end
  if reason == 0 and health.since > 0 and now - health.since >= limit then
    reason = 2
  end
  local status, since = string.byte(value, 18), struct.unpack('>I8', value, 19)
  if reason > 0 and (status == 0 or status == PAUSED) then
    disable(id, value, number, reason, health)
    disabled[#disabled + 1] = id
  elseif reason > 0 and status == reason and since == now then
    disabled[#disabled + 1] = id
  end
end

for at = 4, #ARGV, 9 do
  handle(at)
end
return disabled
