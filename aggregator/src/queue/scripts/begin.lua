-- Sets a shard's head to the beginning of a newly issued epoch, if nobody has changed the shard since the caller
-- looked. KEYS  head, stream, tail ARGV  seen epoch, seen seq, seen last entry (each '' where there was none),
-- installation, epoch, seq, committed, run
local seen = redis.call('HMGET', KEYS[1], 'epoch', 'seq')
local last = redis.call('XREVRANGE', KEYS[2], '+', '-', 'COUNT', 1)
local last_id = ''
if #last > 0 then last_id = last[1][1] end
if (seen[1] or '') ~= ARGV[1] or (seen[2] or '') ~= ARGV[2] or last_id ~= ARGV[3] then return 0 end
redis.call('HSET', KEYS[1], 'installation', ARGV[4], 'epoch', ARGV[5], 'seq', ARGV[6], 'committed', ARGV[7],
  'run', ARGV[8], 'bytes_in', 0, 'bytes_out', 0)
redis.call('DEL', KEYS[3])
return 1
