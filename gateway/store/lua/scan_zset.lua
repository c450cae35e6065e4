#!lua flags=no-writes
-- Reads packed delivery keys from a sorted set whose score is the acceptance, which the key's first bytes repeat:
-- so score and member together are in the order of the members' bytes.
--
-- KEYS  1 sorted set
-- ARGV  1 'asc' or 'desc', 2 bytes to begin after (exclusive), 3 count (at most 256)
-- Returns {'1' if there may be more, then the members}.
-- Invariant: members are in order; the begin is found by rank, so it need not be a member any more.

local ascending, begin, count = ARGV[1] == 'asc', ARGV[2], tonumber(ARGV[3])

-- Lua's own < on strings follows the server's locale
local function below(a, b)
  for at = 1, math.min(#a, #b) do
    local x, y = string.byte(a, at), string.byte(b, at)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end

local function out_of_reach(rank)
  local member = redis.call('ZRANGE', KEYS[1], rank, rank)[1]
  if ascending then
    return not below(begin, member)
  end
  return below(member, begin)
end

local size = redis.call('ZCARD', KEYS[1])
local low, high = 0, size
while low < high do
  local middle = math.floor((low + high) / 2)
  if out_of_reach(middle) then
    low = middle + 1
  else
    high = middle
  end
end
local answer = {'0'}
if ascending then
  for _, member in ipairs(redis.call('ZRANGE', KEYS[1], low, low + count - 1)) do
    answer[#answer + 1] = member
  end
  answer[1] = low + count < size and '1' or '0'
elseif low > 0 then
  local found = redis.call('ZRANGE', KEYS[1], math.max(0, low - count), low - 1)
  for at = #found, 1, -1 do
    answer[#answer + 1] = found[at]
  end
  answer[1] = low > count and '1' or '0'
end
return answer
