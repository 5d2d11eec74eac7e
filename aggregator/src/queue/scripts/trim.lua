#!lua flags=allow-oom
-- (Allowed past Redis's maxmemory: this is what makes room.)
-- Notes how far a shard has been committed, and forgets entries behind that but for a bounded tail, which is read again
-- if Postgres itself goes back. The tail is cut at marks that are set at most once a second or once a mebibyte.
-- KEYS  head, stream, tail (a list of 'ms bytes id')
-- ARGV  epoch, seq, bytes_in of the last committed entry or '', tail_ms_max, tail_bytes_max, channel, signal,
--       installation
local id = ARGV[1] .. '-' .. ARGV[2]
local head = redis.call('HMGET', KEYS[1], 'epoch', 'committed', 'bytes_out', 'seq', 'bytes_in', 'installation')
-- What another installation has committed says nothing of this one's entries.
if head[6] and head[6] ~= ARGV[8] then return 0 end
if head[2] and tonumber(ARGV[2]) > tonumber(head[2]) then redis.call('HSET', KEYS[1], 'committed', ARGV[2]) end
local known_bytes = ARGV[3] ~= '' and head[1] == ARGV[1]
-- Nothing waits: so none of the bytes that were added does, even where nobody remembers how many they were.
if head[4] == ARGV[2] then redis.call('HSET', KEYS[1], 'bytes_out', head[5]) end
if known_bytes and tonumber(ARGV[3]) > tonumber(head[3]) then redis.call('HSET', KEYS[1], 'bytes_out', ARGV[3]) end

local time = redis.call('TIME')
local ms = time[1] * 1000 + math.floor(time[2] / 1000)
local bytes = tonumber(known_bytes and ARGV[3] or head[3] or 0)
local read_mark = function(index)
  local mark = redis.call('LINDEX', KEYS[3], index)
  if not mark then return nil end
  local a, b, c = string.match(mark, '^(%d+) (%d+) (%S+)$')
  return {ms = tonumber(a), bytes = tonumber(b), id = c}
end
local is_beyond = function(mark)
  local epoch, seq = string.match(mark.id, '^(%d+)-(%d+)$')
  epoch, seq = tonumber(epoch), tonumber(seq)
  return epoch > tonumber(ARGV[1]) or (epoch == tonumber(ARGV[1]) and seq > tonumber(ARGV[2]))
end
local newest = read_mark(-1)
-- Marks beyond the position: Postgres has gone back, and what lies before them is still to be read again. They may be
-- old by now, and nothing is cut that is not committed.
while newest and is_beyond(newest) do
  redis.call('RPOP', KEYS[3])
  newest = read_mark(-1)
end
if not newest or ms - newest.ms >= 1000 or bytes - newest.bytes >= 1048576 then
  redis.call('RPUSH', KEYS[3], string.format('%.0f %.0f %s', ms, bytes, id))
end
local cut, oldest = nil, read_mark(0)
while oldest and (ms - oldest.ms > tonumber(ARGV[4]) or bytes - oldest.bytes > tonumber(ARGV[5])) do
  cut = oldest.id
  redis.call('LPOP', KEYS[3])
  oldest = read_mark(0)
end
if cut then redis.call('XTRIM', KEYS[2], 'MINID', cut) end
redis.call('PUBLISH', ARGV[6], ARGV[7])
return 1
