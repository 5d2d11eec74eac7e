-- Adds one entry to a shard, and with it moves the shard's head by the entry's deliveries.
-- KEYS  head, stream
-- ARGV  installation, epoch, floor, deliveries, events_max, bytes_max, channel, signal, format, requests, text, traces
--       (the last one only where there are some)
-- Answers {'added', seq}, {'full'} or {'refused', reason}.
local head = redis.call('HMGET', KEYS[1], 'installation', 'epoch', 'seq', 'committed', 'bytes_in', 'bytes_out')
if not head[3] then return {'refused', 'missing'} end
if head[1] ~= ARGV[1] then return {'refused', 'foreign'} end
if head[2] ~= ARGV[2] then return {'refused', 'epoch'} end
local seq = tonumber(head[3])
-- A head below what this caller has seen acknowledged: Redis came back with less than it had.
if seq < tonumber(ARGV[3]) then return {'refused', 'floor'} end
local deliveries, bytes = tonumber(ARGV[4]), #ARGV[11]
local bytes_in = tonumber(head[5])
if seq + deliveries - tonumber(head[4]) > tonumber(ARGV[5]) then return {'full'} end
if bytes_in + bytes - tonumber(head[6]) > tonumber(ARGV[6]) then return {'full'} end

local time = redis.call('TIME')
local whole = function(n) return string.format('%.0f', n) end
seq = seq + deliveries
bytes_in = bytes_in + bytes
-- No clock is involved in the order: the id is the epoch and the seq of the entry's last delivery.
local fields = {'v', ARGV[9], 'n', ARGV[4], 'b', whole(bytes_in), 'r', ARGV[10],
  't', whole(time[1] * 1000 + math.floor(time[2] / 1000)), 'd', ARGV[11]}
if ARGV[12] then
  fields[13], fields[14] = 'c', ARGV[12]
end
redis.call('XADD', KEYS[2], ARGV[2] .. '-' .. whole(seq), unpack(fields))
redis.call('HSET', KEYS[1], 'seq', whole(seq), 'bytes_in', whole(bytes_in))
redis.call('PUBLISH', ARGV[7], ARGV[8] .. ' ' .. ARGV[2] .. ' ' .. whole(seq))
return {'added', whole(seq)}
