-- The one transaction of a batch (P2, P3): it holds the shard, keeps the first delivery of each identity, writes the
-- others into the audit, counts all of them and moves the position. It is a single statement, so nothing of it can
-- happen without the rest, and no lock outlives a round trip: a worker that dies or is paused holds none.
--
--  $1 shard  $2 epoch  $3 seq  $4 fence   where the position stood when the batch was read
--  $5 the deliveries, a JSON array        $6 the seqs of its elements, or null where they follow on from $3
--  $7 epoch  $8 seq                       where the position goes
--  $9 how many elements the array holds
--  $10 the dead letters, a JSON array: {seq, deliveries, sqlstate, reason, raw: base64}
--  $11, $12, $13 how many of the dropped, the stored and the conflicting deliveries to name in the answer
WITH held AS (
  -- Another worker's lock, another position or a newer fence: no row, and nothing below does anything.
  SELECT p.shard FROM positions p
  WHERE p.shard = $1 AND p.epoch = $2 AND p.seq = $3 AND p.fence = $4
  FOR UPDATE SKIP LOCKED
), delivered AS MATERIALIZED (
  SELECT d.topic COLLATE "C" AS topic, d.event_id, d."timestamp", d.source, d.payload, d.ord,
    coalesce(($6::text::bigint[])[d.ord], $3 + d.ord) AS seq,
    hash_record_extended(row(d."timestamp", d.source, d.payload), 0) AS content_hash
  FROM held, ROWS FROM (
    json_to_recordset($5::text::json)
      AS (topic text, event_id uuid, "timestamp" timestamptz, source text, payload jsonb)
  ) WITH ORDINALITY AS d (topic, event_id, "timestamp", source, payload, ord)
), first AS MATERIALIZED (
  SELECT DISTINCT ON (event_id, topic) * FROM delivered ORDER BY event_id, topic, ord
), fresh AS (
  -- Sorted, so that concurrent batches wait for each other in one direction only.
  INSERT INTO identities (event_id, topic, shard, seq, received_at, content_hash, hash_version)
  SELECT f.event_id, f.topic, $1, f.seq, now(), f.content_hash, 1
  FROM first f ORDER BY f.event_id, f.topic
  ON CONFLICT DO NOTHING
  RETURNING event_id, topic, seq, content_hash
), stored AS (
  INSERT INTO events (topic, event_id, "timestamp", source, payload, received_at, shard, seq)
  SELECT f.topic, f.event_id, f."timestamp", f.source, f.payload, now(), $1, f.seq
  FROM first f WHERE f.seq IN (SELECT seq FROM fresh)
), dropped AS MATERIALIZED (
  -- The winner is this batch's own first, or was there before. Null: it was committed while `fresh` waited for it, and
  -- this snapshot does not show it; judge-duplicates.sql judges those.
  SELECT d.*, d.content_hash <> coalesce(own.content_hash, (
      SELECT i.content_hash FROM identities i
      WHERE i.event_id = d.event_id AND i.topic = d.topic
    )) AS conflict
  FROM delivered d LEFT JOIN fresh own ON own.event_id = d.event_id AND own.topic = d.topic
  WHERE d.seq IS DISTINCT FROM own.seq
), audited AS (
  INSERT INTO duplicates (
    received_at, shard, seq, event_id, topic, source, conflict, content_hash, "timestamp", payload
  )
  SELECT now(), $1, d.seq, d.event_id, d.topic, d.source, d.conflict,
    CASE WHEN d.conflict IS NOT FALSE THEN d.content_hash END,
    CASE WHEN d.conflict IS NOT FALSE THEN d."timestamp" END,
    CASE WHEN d.conflict IS NOT FALSE AND pg_column_size(d.payload) <= 65536 THEN d.payload END
  FROM dropped d
), buried AS (
  INSERT INTO dead_letters (shard, seq, deliveries, sqlstate, reason, raw)
  SELECT $1, x.seq, x.deliveries, x.sqlstate, x.reason, decode(x.raw, 'base64')
  FROM held, json_to_recordset($10::text::json)
    AS x (seq bigint, deliveries bigint, sqlstate text, reason text, raw text)
  RETURNING deliveries
), counted AS (
  INSERT INTO counters AS c (shard, topic, unique_processed, duplicate_dropped, conflicts, dead_lettered)
  SELECT $1, j.topic, count(*) FILTER (WHERE j.kept), count(*) FILTER (WHERE NOT j.kept),
    count(*) FILTER (WHERE j.conflict), 0
  FROM (
    SELECT f.topic, true AS kept, false AS conflict FROM fresh f
    UNION ALL SELECT d.topic, false, d.conflict FROM dropped d
  ) j GROUP BY j.topic
  UNION ALL
  SELECT $1, '', 0, 0, 0, sum(b.deliveries) FROM buried b HAVING count(*) > 0
  ON CONFLICT (shard, topic) DO UPDATE SET
    unique_processed = c.unique_processed + excluded.unique_processed,
    duplicate_dropped = c.duplicate_dropped + excluded.duplicate_dropped,
    conflicts = c.conflicts + excluded.conflicts,
    dead_lettered = c.dead_lettered + excluded.dead_lettered
), moved AS (
  UPDATE positions p SET
    epoch = $7,
    seq = $8 + 0 * exactly((SELECT count(*) FROM delivered), $9),
    moved_at = now()
  FROM held WHERE p.shard = held.shard
  RETURNING 1
)
SELECT
  (SELECT count(*) FROM moved)::int AS moved,
  (SELECT count(*) FROM fresh)::int AS unique_processed,
  (SELECT count(*) FROM delivered)::int AS delivered,
  (SELECT count(*) FROM dropped WHERE conflict)::int AS conflicts,
  (SELECT count(*) FROM dropped WHERE conflict IS NULL)::int AS unjudged,
  (SELECT json_agg(t) FROM (SELECT topic, event_id, source FROM dropped LIMIT $11) t) AS dropped,
  (SELECT json_agg(t) FROM (
    SELECT topic, event_id, source FROM first WHERE seq = ANY (ARRAY(SELECT seq FROM fresh)) LIMIT $12
  ) t) AS kept,
  (SELECT json_agg(t) FROM (
    SELECT now() AS received_at, $1 AS shard, seq FROM dropped WHERE conflict LIMIT $13
  ) t) AS conflicting
