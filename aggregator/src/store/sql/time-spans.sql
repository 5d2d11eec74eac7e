-- The first and the last timestamp of each topic: the two ends of its part of the index, in every partition.
--  $1 JSON array of topics
SELECT t.topic, replace(to_json(f."timestamp") #>> '{}', '+00:00', 'Z') AS first_timestamp,
  replace(to_json(l."timestamp") #>> '{}', '+00:00', 'Z') AS last_timestamp
FROM json_array_elements_text($1::text::json) AS t (topic)
CROSS JOIN LATERAL (
  SELECT e."timestamp" FROM events e WHERE e.topic = t.topic COLLATE "C"
  ORDER BY e."timestamp", e.event_id LIMIT 1
) f
CROSS JOIN LATERAL (
  SELECT e."timestamp" FROM events e WHERE e.topic = t.topic COLLATE "C"
  ORDER BY e."timestamp" DESC, e.event_id DESC LIMIT 1
) l
