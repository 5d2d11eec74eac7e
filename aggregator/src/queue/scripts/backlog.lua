-- Says what waits in a shard behind a position: the head, and how long ago the first entry after it was added.
-- KEYS  head, stream
-- ARGV  the position as an id
-- Answers {epoch, seq, milliseconds}; nil for what there is not.
local head = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
local first = redis.call('XRANGE', KEYS[2], '(' .. ARGV[1], '+', 'COUNT', 1)[1]
if not first then return {head[1], head[2], false} end
local fields, added = first[2], nil
for i = 1, #fields, 2 do
  if fields[i] == 't' then added = tonumber(fields[i + 1]) end
end
if not added then return {head[1], head[2], false} end
-- The clock that added it, so that no other one's error is in the difference.
local time = redis.call('TIME')
local age = time[1] * 1000 + math.floor(time[2] / 1000) - added
return {head[1], head[2], string.format('%.0f', math.max(0, age))}
