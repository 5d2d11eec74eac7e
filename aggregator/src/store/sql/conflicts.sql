-- Both sides of some conflicts: what was dropped, and what is stored.
--  $1 their places, a JSON array  $2 a stored payload of more bytes than this is left out
-- The event is found by its identity's arrival, shard and seq, so that this is bounded whatever the timestamps say.
SELECT to_json(d.received_at) #>> '{}' AS received_at, d.shard, d.seq, d.topic, d.event_id,
  d.source, to_json(d."timestamp") #>> '{}' AS "timestamp", d.payload::text AS payload,
  e.source AS stored_source, to_json(e."timestamp") #>> '{}' AS stored_timestamp,
  CASE WHEN octet_length(e.payload::text) <= $2 THEN e.payload::text END AS stored_payload
FROM json_to_recordset($1::text::json) AS a (received_at timestamptz, shard integer, seq bigint)
JOIN duplicates d ON d.received_at = a.received_at AND d.shard = a.shard AND d.seq = a.seq
JOIN identities i ON i.event_id = d.event_id AND i.topic = d.topic
LEFT JOIN events e ON e.received_at = i.received_at AND e.shard = i.shard AND e.seq = i.seq
