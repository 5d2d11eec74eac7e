-- The first rows of each topic by the one index there is, then the first of those. The number of topics is bounded, and
-- an index on the timestamp alone would cost every insert.
--  $1 JSON array of topics; the rest as in walk-topic.sql, which stands in the place of :walk
SELECT e.*
FROM json_array_elements_text($1::text::json) AS t (topic)
CROSS JOIN LATERAL (
:walk
) e
ORDER BY e."timestamp" :direction, e.event_id :direction, e.topic :direction
LIMIT $5
