-- One page of a topic, newest first.
--  $1 topic  $2, $3 the cursor's timestamp and event_id, or null  $4 rows
--  $5 is render-page.sql's, which follows
WITH page AS MATERIALIZED (
  SELECT e.* FROM events e
  WHERE e.topic = $1
    AND (e."timestamp", e.event_id) < (
        coalesce($2::text::timestamptz, 'infinity'),
        coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff')
      )
  ORDER BY e."timestamp" DESC, e.event_id DESC
  LIMIT $4
)
