-- Judges duplicates whose winner was committed by another transaction while their own statement waited for it: by now
-- it can be seen. Any number of processes may do this at once: each takes rows that no other has locked, and a row is
-- judged once.
--
-- One (shard, topic) at a time: so this waits for a single row of `counters` and holds nothing that a batch needs, and
-- no deadlock with one is possible.
--  $1 rows at most  $2 how many of the conflicts to name in the answer
WITH oldest AS (
  SELECT d.shard, d.topic FROM duplicates d
  WHERE d.conflict IS NULL AND d.conflict IS NOT FALSE
  ORDER BY d.received_at, d.shard, d.seq
  LIMIT 1
  FOR UPDATE SKIP LOCKED
), pending AS MATERIALIZED (
  SELECT d.received_at, d.shard, d.seq, d.event_id, d.topic
  FROM oldest o JOIN duplicates d ON d.shard = o.shard AND d.topic = o.topic
  WHERE d.conflict IS NULL AND d.conflict IS NOT FALSE
  ORDER BY d.received_at, d.seq
  LIMIT $1
  FOR UPDATE OF d SKIP LOCKED
), winners AS MATERIALIZED (
  -- Nothing takes an identity away. Where a person did, nothing will ever be there to compare with: no conflict.
  SELECT p.*, (
    SELECT i.content_hash FROM identities i WHERE i.event_id = p.event_id AND i.topic = p.topic
  ) AS content_hash
  FROM pending p
), judged AS (
  UPDATE duplicates d SET
    conflict = coalesce(d.content_hash <> w.content_hash, false),
    content_hash = CASE WHEN d.content_hash <> w.content_hash THEN d.content_hash END,
    "timestamp" = CASE WHEN d.content_hash <> w.content_hash THEN d."timestamp" END,
    payload = CASE WHEN d.content_hash <> w.content_hash THEN d.payload END
  FROM winners w
  WHERE d.received_at = w.received_at AND d.shard = w.shard AND d.seq = w.seq
  RETURNING d.received_at, d.shard, d.seq, d.topic, d.conflict
), counted AS (
  UPDATE counters c SET conflicts = c.conflicts + j.n
  FROM (SELECT shard, topic, count(*) AS n FROM judged WHERE conflict GROUP BY shard, topic) j
  WHERE c.shard = j.shard AND c.topic = j.topic
)
SELECT
  (SELECT count(*) FROM judged)::int AS judged,
  (SELECT count(*) FROM judged WHERE conflict)::int AS conflicts,
  (SELECT json_agg(t) FROM (SELECT received_at, shard, seq FROM judged WHERE conflict LIMIT $2) t) AS conflicting
