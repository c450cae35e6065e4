#!lua flags=no-writes
-- The first event of a partition whose deliveries are not all recorded yet.
--
-- KEYS  1 log, 2 recorded
-- ARGV  none
-- Returns its stream id, or nil when every event is behind the recorded mark.
-- Invariant: reads only; what lies before the id has all its deliveries.

local mark = redis.call('GET', KEYS[2]) or '0-0'
local first = redis.call('XRANGE', KEYS[1], '(' .. mark, '+', 'COUNT', 1)[1]
return first and first[1]
