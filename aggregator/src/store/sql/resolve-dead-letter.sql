-- Resolves a dead letter, once, and counts it in the same transaction.
--  $1 shard  $2 seq  $3 'replayed' or 'deleted', which wipes the bytes
WITH resolved AS (
  UPDATE dead_letters SET
    state = $3, resolved_at = now(), raw = CASE WHEN $3 <> 'deleted' THEN raw END
  WHERE shard = $1 AND seq = $2 AND state = 'kept'
  RETURNING shard, deliveries
)
UPDATE counters c SET dead_resolved = c.dead_resolved + r.deliveries
FROM resolved r WHERE c.shard = r.shard AND c.topic = ''
RETURNING 1 AS resolved
