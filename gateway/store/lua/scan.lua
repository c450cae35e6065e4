#!lua flags=no-writes
-- Reads event headers along the log, or along one of its indexes, without sending the payloads.
--
-- KEYS  1 log, 2 index stream (or the log again)
-- ARGV  1 'asc' or 'desc', 2 and 3 where to begin and to end as XRANGE or XREVRANGE takes it, 4 count (at most 256)
-- Returns {'1' if there may be more, then three per entry: stream id, header, bytes of data}; the header is '' when the
--       entry is not in the log any more, or is not an event.
-- Invariant: ids are in order; at most `count` entries, fewer as soon as more than 512 KB of payload were touched.

local COMMAND = ARGV[1] == 'asc' and 'XRANGE' or 'XREVRANGE'
local LIMIT, STEP = 524288, 8
local count, touched = tonumber(ARGV[4]), 0
local answer = {'1'}

local function add(id, fields)
  local header, data = '', ''
  for at = 1, #fields, 2 do
    if fields[at] == 'h' then
      header = fields[at + 1]
    elseif fields[at] == 'd' then
      data = fields[at + 1]
    end
  end
  touched = touched + #data
  answer[#answer + 1] = id
  answer[#answer + 1] = header
  answer[#answer + 1] = #data
end

local function along_log()
  local start, left = ARGV[2], count
  while left > 0 and touched < LIMIT do
    local step = math.min(STEP, left)
    local entries = redis.call(COMMAND, KEYS[1], start, ARGV[3], 'COUNT', step)
    for _, entry in ipairs(entries) do
      add(entry[1], entry[2])
    end
    if #entries < step then
      answer[1] = '0'
      return
    end
    left = left - step
    start = '(' .. entries[#entries][1]
  end
end

local function along_index()
  local ids = redis.call(COMMAND, KEYS[2], ARGV[2], ARGV[3], 'COUNT', count)
  for at, entry in ipairs(ids) do
    if touched >= LIMIT then
      return
    end
    local found = redis.call('XRANGE', KEYS[1], entry[1], entry[1])[1]
    add(entry[1], found and found[2] or {})
    if at == #ids and #ids < count then
      answer[1] = '0'
    end
  end
  if #ids == 0 then
    answer[1] = '0'
  end
end

if KEYS[1] == KEYS[2] then
  along_log()
else
  along_index()
end
return answer
