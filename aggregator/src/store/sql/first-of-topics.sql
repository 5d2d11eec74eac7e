-- The first rows of all topics together, without reading as many of each one. A few keys of each topic are looked at
-- first: once as many as a page has are known, no row beyond the last of them can be on the page, nor any topic whose
-- own first row is beyond it. Four times as many as a page has, so that three quarters of the topics may be quiet.
--  $1 JSON array of topics; the rest as in walk-topic.sql, which stands in the place of :walk
WITH share AS MATERIALIZED (
  -- Worked out once: in the place of the LIMIT it would take the list apart again for each topic.
  SELECT 1 + 4 * $5::bigint / greatest(json_array_length($1::text::json), 1) AS keys
), ahead AS MATERIALIZED (
  SELECT t.topic, k."timestamp"
  FROM json_array_elements_text($1::text::json) AS t (topic)
  CROSS JOIN LATERAL (
    SELECT n."timestamp" FROM events n
    WHERE n.topic = t.topic COLLATE "C"
      AND (n."timestamp", n.event_id, n.topic) :beyond ($2::text::timestamptz, $3::uuid, $4::text)
    ORDER BY n."timestamp" :direction, n.event_id :direction
    LIMIT (SELECT keys FROM share)
  ) k
), last_place AS MATERIALIZED (
  SELECT "timestamp" FROM ahead ORDER BY "timestamp" :direction OFFSET $5::bigint - 1 LIMIT 1
), edge AS MATERIALIZED (
  SELECT coalesce((SELECT "timestamp" FROM last_place), ':endless') AS "timestamp"
)
SELECT e.*
FROM (SELECT a.topic FROM ahead a, edge WHERE a."timestamp" :within edge."timestamp" GROUP BY a.topic) t
CROSS JOIN LATERAL (
:walk
) e
ORDER BY e."timestamp" :direction, e.event_id :direction, e.topic :direction
LIMIT $5
