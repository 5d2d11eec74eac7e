-- One page of a subscription's own dead letters, by shard and seq.
--  $1 subscription  $2, $3 the shard and seq that the page follows  $4 rows
SELECT d.shard, d.seq,
  '{"deliveries":' || d.attempts || ',"reason":' || to_json(d.reason)
  || ',"dead_at":' || replace(to_json(d.dead_at)::text, '+00:00"', 'Z"')
  || ',"event":' || coalesce(d.record, 'null') || '}' AS letter
FROM subscription_dead_letters d
WHERE d.subscription = $1 AND (d.shard, d.seq) > ($2, $3)
ORDER BY d.shard, d.seq
LIMIT $4
