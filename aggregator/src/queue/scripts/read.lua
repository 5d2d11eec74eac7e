-- Reads a shard's entries after a position, together with the head of the same instant.
-- KEYS  head, stream
-- ARGV  the position as an id, deliveries_max, bytes_max, installation
-- Answers {epoch, seq, entries}; at least one entry if there is any, however large it is. Or {'foreign', installation}.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq', 'installation')
if head[3] and head[3] ~= ARGV[4] then return {'foreign', head[3]} end
local deliveries_left, bytes_left = tonumber(ARGV[2]), tonumber(ARGV[3])
local entries, from, count = {}, '(' .. ARGV[1], 4
while true do
  local part = redis.call('XRANGE', KEYS[2], from, '+', 'COUNT', count)
  for _, entry in ipairs(part) do
    local fields = entry[2]
    for i = 1, #fields, 2 do
      if fields[i] == 'n' then deliveries_left = deliveries_left - (tonumber(fields[i + 1]) or 0) end
      if fields[i] == 'd' then bytes_left = bytes_left - #fields[i + 1] end
    end
    if #entries > 0 and (deliveries_left < 0 or bytes_left < 0) then return {head[1], head[2], entries} end
    entries[#entries + 1] = entry
  end
  if #part < count or deliveries_left <= 0 or bytes_left <= 0 then return {head[1], head[2], entries} end
  from = '(' .. part[#part][1]
  count = math.min(count * 2, 64)
end
