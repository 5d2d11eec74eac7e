-- One page of a topic, newest first. $1 topic  $2, $3 the cursor's timestamp and event_id, or null  $4 rows
SELECT e.topic, e.event_id, to_json(e."timestamp") #>> '{}' AS "timestamp",
  '{"topic":' || to_json(e.topic) || ',"event_id":"' || e.event_id
  || '","timestamp":' || replace(to_json(e."timestamp")::text, '+00:00"', 'Z"')
  || ',"source":' || to_json(e.source) || ',"payload":' || e.payload
  || ',"received_at":' || replace(to_json(e.received_at)::text, '+00:00"', 'Z"') || '}' AS record
FROM events e
WHERE e.topic = $1
  AND (e."timestamp", e.event_id) < (coalesce($2::text::timestamptz, 'infinity'), coalesce($3::uuid, 'ffffffff-ffff-ffff-ffff-ffffffffffff'))
ORDER BY e."timestamp" DESC, e.event_id DESC
LIMIT $4
