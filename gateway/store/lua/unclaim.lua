#!lua flags=allow-oom
-- Removes the claims of given ids whose events were trimmed from another partition.
--
-- KEYS  1 claims
-- ARGV  1 the partition that the events were in, then the given ids
-- Returns how many claims went.
-- Invariant: a claim that has since gone to another partition stays.

local gone = 0
for at = 2, #ARGV do
  local claim = redis.call('HGET', KEYS[1], ARGV[at])
  if claim and struct.unpack('>I2', claim) == tonumber(ARGV[1]) then
    gone = gone + redis.call('HDEL', KEYS[1], ARGV[at])
  end
end
return gone
