#!lua flags=allow-oom
-- The end of the change stream, for a reader that is about to load everything.
--
-- KEYS  1 changes
-- ARGV  none
-- Returns the id of the newest entry.
-- Invariant: that entry exists, so that a reader recognises later whether the stream still reaches back to it.

local newest = redis.call('XREVRANGE', KEYS[1], '+', '-', 'COUNT', 1)
if #newest == 1 then
  return newest[1][1]
end
return redis.call('XADD', KEYS[1], '*', 'kind', 'start', 'id', '')
