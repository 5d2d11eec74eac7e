-- One page of the feed: what follows a cursor, in the order of shard and seq, with the place it leads to.
-- Positions and rows are of one snapshot, and a position moves in the transaction that stores its rows, so nothing up
-- to `reached` can become visible later.
--  $1 the cursor, {"shard": seq}; a shard that is not named stands at 0
--  $2 a regular expression that topics must match, or null
--  $3 rows of each shard  $4 seqs of each shard that are looked at, which bounds the work where few topics match
--  $5 stored bytes of payloads; a page has at least one row, if there is any
WITH standing AS MATERIALIZED (
  SELECT p.shard, p.seq AS "position", coalesce(h.seq, 0) AS horizon,
    coalesce(($1::text::jsonb ->> p.shard::text)::bigint, 0) AS after
  FROM positions p LEFT JOIN horizons h USING (shard)
), candidate AS MATERIALIZED (
  SELECT s.shard, e.*, row_number() OVER (PARTITION BY s.shard ORDER BY e.seq) AS rank
  FROM standing s CROSS JOIN LATERAL (
    SELECT n.seq, n.topic, n.event_id, n."timestamp", n.source, n.payload, n.received_at
    FROM events n
    WHERE n.shard = s.shard AND n.seq > s.after AND n.seq <= least(s."position", s.after + $4)
      AND ($2::text IS NULL OR n.topic ~ $2::text)
    ORDER BY n.seq
    LIMIT $3
  ) e
  WHERE s."position" > s.after
), chosen AS MATERIALIZED (
  -- Rank by rank over all shards, so that large payloads in one shard don't hold up the others.
  SELECT w.* FROM (
    SELECT c.*, row_number() OVER place AS nth, sum(pg_column_size(c.payload)) OVER place AS bytes
    FROM candidate c WINDOW place AS (ORDER BY c.rank, c.shard)
  ) w
  WHERE w.nth = 1 OR w.bytes <= $5
), reached AS (
  SELECT s.shard, s."position", s.horizon, s.after,
    CASE
      WHEN coalesce(t.taken, 0) < coalesce(c.there, 0) THEN coalesce(t.last_seq, s.after)
      WHEN c.there = $3 THEN t.last_seq
      ELSE greatest(s.after, least(s."position", s.after + $4))
    END AS seq
  FROM standing s
  LEFT JOIN (SELECT shard, count(*) AS there FROM candidate GROUP BY shard) c USING (shard)
  LEFT JOIN (SELECT shard, count(*) AS taken, max(seq) AS last_seq FROM chosen GROUP BY shard) t USING (shard)
)
SELECT r.shard, r.seq, r."position", r.horizon, r.after, NULL AS topic, NULL AS record
FROM reached r
UNION ALL
SELECT c.shard, c.seq, NULL, NULL, NULL, c.topic,
  '{"topic":' || to_json(c.topic) || ',"event_id":"' || c.event_id
  || '","timestamp":' || replace(to_json(c."timestamp")::text, '+00:00"', 'Z"')
  || ',"source":' || to_json(c.source) || ',"payload":' || c.payload
  || ',"received_at":' || replace(to_json(c.received_at)::text, '+00:00"', 'Z"') || '}'
FROM chosen c
ORDER BY shard, seq
