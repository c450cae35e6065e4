#!lua flags=no-writes
-- Reads the deliveries of events along `fanned` (with those that replays added), or the entries of an endpoint's index.
--
-- KEYS  1 stream, 2 late (only with `fanned`)
-- ARGV  1 'asc' or 'desc', 2 and 3 where to begin and to end as XRANGE or XREVRANGE takes it, 4 count (at most 256)
-- Returns {'1' if there may be more, then three per entry: stream id, packed endpoint numbers, packed (endpoint, run)}.
-- Invariant: ids are in order; at most `count` entries, fewer as soon as they hold more than 8,192 bytes of numbers.

local COMMAND = ARGV[1] == 'asc' and 'XRANGE' or 'XREVRANGE'
local LIMIT, STEP = 8192, 8
local start, left, size = ARGV[2], tonumber(ARGV[4]), 0
local answer = {'1'}

while left > 0 and size < LIMIT do
  local step = KEYS[2] and math.min(STEP, left) or left
  local entries = redis.call(COMMAND, KEYS[1], start, ARGV[3], 'COUNT', step)
  for _, entry in ipairs(entries) do
    local late = KEYS[2] and redis.call('HGET', KEYS[2], entry[1]) or ''
    size = size + #entry[2][2] + #late
    answer[#answer + 1] = entry[1]
    answer[#answer + 1] = entry[2][2]
    answer[#answer + 1] = late
  end
  if #entries < step then
    answer[1] = '0'
    break
  end
  left = left - step
  start = '(' .. entries[#entries][1]
end
return answer
