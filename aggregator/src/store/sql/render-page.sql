-- Renders the rows of `page` in their order; follows the statement that says which rows those are.
--  $6 render whatever the size; else records are null where the page's payloads are large
SELECT topic, event_id, (SELECT max(pg_column_size(payload)) FROM page) AS stored_bytes_max,
  to_json("timestamp") #>> '{}' AS "timestamp",
  CASE WHEN $6::text::boolean OR (SELECT sum(pg_column_size(payload)) FROM page) <= 262144 THEN
    '{"topic":' || to_json(topic) || ',"event_id":"' || event_id
    || '","timestamp":' || replace(to_json("timestamp")::text, '+00:00"', 'Z"')
    || ',"source":' || to_json(source) || ',"payload":' || payload
    || ',"received_at":' || replace(to_json(received_at)::text, '+00:00"', 'Z"') || '}'
  END AS record
FROM page
ORDER BY page."timestamp" :direction, event_id :direction, topic :direction
