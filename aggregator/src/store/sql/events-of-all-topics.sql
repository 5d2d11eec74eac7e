-- One page over all topics, newest first: the newest of each topic by the one index there is, then the newest of those.
-- The number of topics is bounded, and an index on the timestamp alone would cost every insert.
--  $1, $2, $3 the cursor's timestamp, event_id and topic, or null  $4 rows
--  $5 is render-page.sql's, which follows
WITH page AS MATERIALIZED (
  SELECT e.*
  FROM (SELECT DISTINCT c.topic FROM counters c WHERE c.topic <> '') t
  CROSS JOIN LATERAL (
    SELECT n.* FROM events n
    WHERE n.topic = t.topic
      AND (n."timestamp", n.event_id) <= (
        coalesce($1::text::timestamptz, 'infinity'),
        coalesce($2::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
      )
      AND ($1::text IS NULL OR (n."timestamp", n.event_id, n.topic) < ($1::text::timestamptz, $2::uuid, $3::text))
    ORDER BY n."timestamp" DESC, n.event_id DESC
    LIMIT $4
  ) e
  ORDER BY e."timestamp" DESC, e.event_id DESC, e.topic DESC
  LIMIT $4
)
