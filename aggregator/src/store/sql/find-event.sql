-- One identity, its event unless retention has taken it, and its newest duplicates. The event is found by the winner's
-- place in its shard, in the partition of its arrival.
--  $1 event_id  $2 topic  $3 duplicates
SELECT i.shard, i.seq, replace(to_json(i.received_at) #>> '{}', '+00:00', 'Z') AS received_at, e.source, e.fields,
  d.duplicates
FROM identities i
LEFT JOIN LATERAL (
  SELECT to_json(n.source)::text AS source,
    '"topic":' || to_json(n.topic) || ',"event_id":"' || n.event_id
    || '","timestamp":' || replace(to_json(n."timestamp")::text, '+00:00"', 'Z"')
    || ',"source":' || to_json(n.source) || ',"payload":' || n.payload AS fields
  FROM events n
  WHERE n.shard = i.shard AND n.seq = i.seq AND n.received_at = i.received_at
    AND n.topic = i.topic AND n.event_id = i.event_id
  ORDER BY n.shard, n.seq
  LIMIT 1
) e ON true
CROSS JOIN LATERAL (
  SELECT coalesce(json_agg(row_to_json(o)), '[]') AS duplicates FROM (
    SELECT 'duplicate' AS verdict, replace(to_json(x.received_at) #>> '{}', '+00:00', 'Z') AS received_at,
      x.shard, x.seq, x.source, x.conflict
    -- OFFSET 0: found by their id, then sorted. Else a plan made while there were few walks all of them in that order.
    FROM (SELECT f.* FROM duplicates f WHERE f.event_id = i.event_id AND f.topic = i.topic OFFSET 0) x
    ORDER BY x.received_at DESC, x.shard DESC, x.seq DESC
    LIMIT $3
  ) o
) d
WHERE i.event_id = $1::uuid AND i.topic = $2::text
