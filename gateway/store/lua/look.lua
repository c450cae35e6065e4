#!lua flags=no-writes
-- Looks events up by stream id: header, size, and how many endpoints they matched; never the payload.
--
-- KEYS  1 log, 2 kept, 3 fanned
-- ARGV  stream ids (at most 256)
-- Returns three per id: header ('' when the event is gone or unreadable), bytes of data, matched endpoints (-1 while
--       the recorded mark has not passed it); for fewer ids as soon as more than 512 KB of payload were touched.
-- Invariant: reads only.

local LIMIT = 524288
local answer, touched = {}, 0

local function event(id)
  local entry = redis.call('XRANGE', KEYS[1], id, id)[1]
  if entry then
    local fields = {}
    for at = 1, #entry[2], 2 do
      fields[entry[2][at]] = entry[2][at + 1]
    end
    return fields.h or '', #(fields.d or '')
  end
  local kept = redis.call('HGET', KEYS[2], id)
  if kept then
    local size = struct.unpack('>I4', kept)
    return string.sub(kept, 5, 4 + size), #kept - 4 - size
  end
  return '', 0
end

for _, id in ipairs(ARGV) do
  if touched >= LIMIT then
    break
  end
  local header, size = event(id)
  local fanned = redis.call('XRANGE', KEYS[3], id, id)[1]
  touched = touched + size
  answer[#answer + 1] = header
  answer[#answer + 1] = size
  answer[#answer + 1] = fanned and #fanned[2][2] / 4 or -1
end
return answer
