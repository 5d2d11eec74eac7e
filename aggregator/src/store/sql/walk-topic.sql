-- Walks one topic along the index events_newest, from a place on, and keeps what fits. Words that begin with a colon
-- are filled in by page-statement.ts: the topic, what depends on the direction of the walk, and the filters.
--  $2, $3, $4 the place: timestamp, event_id and topic, itself left out  $5 rows
SELECT n.* FROM events n
WHERE n.topic = :topic
  -- The index goes to the first two, the third decides where another topic has an event of the same two.
  AND (n."timestamp", n.event_id, n.topic) :beyond ($2::text::timestamptz, $3::uuid, $4::text)
  :filters
ORDER BY n."timestamp" :direction, n.event_id :direction
LIMIT $5
