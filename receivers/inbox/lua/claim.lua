#!lua
-- Take one webhook id for handling.
--
-- KEYS[1]  string of this webhook id: "claimed:<lease until, ms>:<token>" or "done:<token>"
-- ARGV[1]  token of the caller, random per claim
-- ARGV[2]  lease, ms
-- ARGV[3]  ttl of the key, ms
-- Returns  {1, lease ms} claimed; {0, ms left} somebody else holds it; {2, 0} done
-- Invariant: at most one token holds an unexpired claim; done is never left by a claim. Called again with the same token
--            (a lost reply) it answers claimed again. Time is the server's, so clocks of receivers do not matter.
local value = redis.call('GET', KEYS[1])
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
if value then
  if string.sub(value, 1, 5) == 'done:' then
    return {2, 0}
  end
  local lease_until, holder = string.match(value, '^claimed:(%d+):(.*)$')
  if not holder then
    return redis.error_reply('INBOX the key holds something else than an inbox entry')
  end
  if holder ~= ARGV[1] and now < tonumber(lease_until) then
    return {0, tonumber(lease_until) - now}
  end
end
local entry = string.format('claimed:%.0f:%s', now + tonumber(ARGV[2]), ARGV[1])
redis.call('SET', KEYS[1], entry, 'PX', ARGV[3])
return {1, tonumber(ARGV[2])}
