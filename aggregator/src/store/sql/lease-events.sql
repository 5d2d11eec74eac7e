-- Hands events of a subscription to one consumer: first those whose lease has run out, then what follows its cursor.
-- Everything is one statement, so an event is either leased or still behind the cursor, whoever dies. Consumers take
-- turns over rows that others hold (SKIP LOCKED), and nobody waits.
--  $1 subscription  $2 events at most  $3 events that may be out at a time
--  $4 seqs of each shard that are looked at  $5 stored bytes of payloads; there is at least one event, if any
--  $6 the topic that the subscription must have, or null: one of the same name may have been made since it was judged
WITH subscription AS MATERIALIZED (
  -- Held first, so that whoever removes it waits for this statement, or the other way round, but never both.
  SELECT * FROM subscriptions WHERE name = $1 AND ($6::text IS NULL OR topic = $6) FOR KEY SHARE
), known AS (
  -- A shard that is new to the subscription is read from its beginning, from the next call on.
  INSERT INTO subscription_cursors (subscription, shard, seq)
  SELECT s.name, p.shard, 0 FROM subscription s CROSS JOIN positions p
  WHERE NOT EXISTS (SELECT FROM subscription_cursors c WHERE c.subscription = s.name AND c.shard = p.shard)
  ON CONFLICT DO NOTHING
), due AS MATERIALIZED (
  SELECT l.shard, l.seq, l.attempt FROM leases l
  WHERE l.subscription = (SELECT s.name FROM subscription s) AND l.expires_at <= now()
  ORDER BY l.expires_at
  LIMIT $2
  FOR UPDATE SKIP LOCKED
), found AS MATERIALIZED (
  SELECT d.shard, d.seq, d.attempt, f.record, f.bytes FROM due d LEFT JOIN LATERAL (
    SELECT record_of(e) AS record, pg_column_size(e.payload) AS bytes FROM events e
    WHERE e.shard = d.shard AND e.seq = d.seq
  ) f ON true
), spent AS MATERIALIZED (
  SELECT f.* FROM found f CROSS JOIN subscription s WHERE f.attempt >= s.deliveries_max OR f.record IS NULL
), buried AS (
  INSERT INTO subscription_dead_letters (subscription, shard, seq, attempts, reason, record)
  SELECT $1, x.shard, x.seq, x.attempt, CASE WHEN x.record IS NULL THEN 'expired' ELSE 'unacknowledged' END, x.record
  FROM spent x
), released AS (
  DELETE FROM leases l USING spent x WHERE l.subscription = $1 AND l.shard = x.shard AND l.seq = x.seq
), again AS MATERIALIZED (
  SELECT r.* FROM (
    SELECT f.*, row_number() OVER place AS nth, sum(f.bytes) OVER place AS total
    FROM found f CROSS JOIN subscription s
    WHERE f.attempt < s.deliveries_max AND f.record IS NOT NULL
    WINDOW place AS (ORDER BY f.shard, f.seq)
  ) r
  WHERE r.nth = 1 OR r.total <= $5
), renewed AS (
  UPDATE leases l SET attempt = l.attempt + 1, expires_at = now() + make_interval(secs => s.ack_timeout_s)
  FROM again a, subscription s WHERE l.subscription = $1 AND l.shard = a.shard AND l.seq = a.seq
), room AS MATERIALIZED (
  SELECT least(
      $2 - (SELECT count(*) FROM again),
      $3 - (SELECT count(*) FROM (SELECT FROM leases l WHERE l.subscription = $1 LIMIT $3) o)
    ) AS events,
    $5 - (SELECT coalesce(sum(a.bytes), 0) FROM again a) AS bytes
), held AS MATERIALIZED (
  SELECT c.shard, c.seq AS after FROM subscription_cursors c
  WHERE c.subscription = (SELECT s.name FROM subscription s) AND (SELECT r.events FROM room r) > 0
  FOR UPDATE SKIP LOCKED
), standing AS MATERIALIZED (
  SELECT h.shard, h.after, p.seq AS "position", coalesce(z.seq, 0) AS horizon
  FROM held h JOIN positions p USING (shard) LEFT JOIN horizons z USING (shard)
  WHERE p.seq > h.after
), candidate AS MATERIALIZED (
  SELECT s.shard, e.seq, e.record, e.bytes, row_number() OVER (PARTITION BY s.shard ORDER BY e.seq) AS rank
  FROM standing s CROSS JOIN subscription d CROSS JOIN LATERAL (
    SELECT n.seq, record_of(n) AS record, pg_column_size(n.payload) AS bytes FROM events n
    WHERE n.shard = s.shard AND n.seq > s.after AND n.seq <= least(s."position", s.after + $4)
      AND n.topic ~ d.topic_regex
    ORDER BY n.seq
    LIMIT (SELECT r.events FROM room r)
  ) e
), chosen AS MATERIALIZED (
  SELECT w.* FROM (
    SELECT c.*, row_number() OVER place AS nth, sum(c.bytes) OVER place AS total
    FROM candidate c WINDOW place AS (ORDER BY c.rank, c.shard)
  ) w CROSS JOIN room r
  WHERE w.nth <= r.events AND (w.total <= r.bytes OR (w.nth = 1 AND NOT EXISTS (SELECT FROM again)))
), reached AS (
  SELECT s.shard, s.after, s.horizon,
    CASE
      WHEN coalesce(t.taken, 0) < coalesce(c.there, 0) THEN coalesce(t.last_seq, s.after)
      WHEN c.there = (SELECT r.events FROM room r) THEN t.last_seq
      ELSE least(s."position", s.after + $4)
    END AS seq
  FROM standing s
  LEFT JOIN (SELECT shard, count(*) AS there FROM candidate GROUP BY shard) c USING (shard)
  LEFT JOIN (SELECT shard, count(*) AS taken, max(seq) AS last_seq FROM chosen GROUP BY shard) t USING (shard)
), moved AS (
  UPDATE subscription_cursors c SET
    seq = r.seq,
    expired = c.expired + greatest(0, least(r.horizon, r.seq) - r.after)
  FROM reached r WHERE c.subscription = $1 AND c.shard = r.shard AND r.seq > r.after
  RETURNING 1
), leased AS (
  INSERT INTO leases (subscription, shard, seq, attempt, expires_at)
  SELECT $1, c.shard, c.seq, 1, now() + make_interval(secs => s.ack_timeout_s) FROM chosen c CROSS JOIN subscription s
)
-- The last row says whether the subscription is there, and whether looking again at once may find more.
SELECT a.shard, a.seq, a.attempt + 1 AS attempt, a.record, NULL::boolean AS stands, NULL::boolean AS "more" FROM again a
UNION ALL
SELECT c.shard, c.seq, 1, c.record, NULL, NULL FROM chosen c
UNION ALL
SELECT NULL, NULL, NULL, NULL, EXISTS (SELECT FROM subscription),
  EXISTS (SELECT FROM moved) OR EXISTS (SELECT FROM spent)
ORDER BY shard, seq
