#!lua flags=no-writes
-- Counts entries of the log without sending them.
--
-- KEYS  1 log
-- ARGV  1 where to begin as XRANGE takes it, 2 count (at most 256)
-- Returns {how many, id of the last one, or '' when there is none}.
-- Invariant: counts at most `count`, fewer as soon as more than 512 KB of payload were touched; 0 only at the end.

local LIMIT, STEP = 524288, 8
local start, left, touched, counted, last = ARGV[1], tonumber(ARGV[2]), 0, 0, ''
while left > 0 and touched < LIMIT do
  local step = math.min(STEP, left)
  local entries = redis.call('XRANGE', KEYS[1], start, '+', 'COUNT', step)
  for _, entry in ipairs(entries) do
    for at = 2, #entry[2], 2 do
      touched = touched + #entry[2][at]
    end
    last = entry[1]
  end
  counted = counted + #entries
  if #entries < step then
    break
  end
  left = left - step
  start = '(' .. last
end
return {counted, last}
