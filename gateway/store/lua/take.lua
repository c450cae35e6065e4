#!lua flags=allow-oom
-- Takes the lease of a partition for a new owner.
--
-- KEYS  1 lease, 2 recorded, 3 fanned, 4 log
-- ARGV  1 owner, 2 new token, 3 token and 4 beat that the caller has seen unchanged for the whole lease time
-- Returns {mark, id of the log's last entry} or nil when the lease is alive in other hands.
-- Invariant: a lease changes hands only when it is released, absent, or unchanged since the caller first saw it;
--       afterwards `recorded` exists. Its loss is mended from `fanned`, whose last id is the mark by construction.

local lease = redis.call('HMGET', KEYS[1], 'owner', 'token', 'beat')
local released = not lease[2] or lease[1] == ''
local unchanged = lease[2] == ARGV[3] and lease[3] == ARGV[4]
if not (released or unchanged or lease[2] == ARGV[2]) then
  return nil
end
redis.call('HSET', KEYS[1], 'owner', ARGV[1], 'token', ARGV[2], 'beat', 0)
local mark = redis.call('GET', KEYS[2])
if not mark then
  local last = redis.call('XREVRANGE', KEYS[3], '+', '-', 'COUNT', 1)
  mark = last[1] and last[1][1] or '0-0'
  redis.call('SET', KEYS[2], mark)
end
local top = redis.call('XREVRANGE', KEYS[4], '+', '-', 'COUNT', 1)
return {mark, top[1] and top[1][1] or '0-0'}
