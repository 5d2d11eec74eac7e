-- One page of a topic, newest first.
--  $1 topic  $2, $3 the cursor's timestamp and event_id, or null  $4 rows
--  $5 render whatever the size; else records are null where the page's payloads are large
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
SELECT topic, event_id, to_json("timestamp") #>> '{}' AS "timestamp",
  CASE WHEN $5::text::boolean OR (SELECT sum(pg_column_size(payload)) FROM page) <= 262144 THEN
    '{"topic":' || to_json(topic) || ',"event_id":"' || event_id
    || '","timestamp":' || replace(to_json("timestamp")::text, '+00:00"', 'Z"')
    || ',"source":' || to_json(source) || ',"payload":' || payload
    || ',"received_at":' || replace(to_json(received_at)::text, '+00:00"', 'Z"') || '}'
  END AS record
FROM page
ORDER BY page."timestamp" DESC, event_id DESC
