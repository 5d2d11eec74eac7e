-- What became of deliveries that follow each other in one entry, once the shard's position has passed them.
--  $1 shard  $2 epoch  $3 seq of the first  $4 their identities, a JSON array
-- A verdict is null where Redis lost the delivery: its seq was then given to another one.
WITH asked AS (
  SELECT a.event_id, a.topic COLLATE "C" AS topic, $3 + a.ord - 1 AS seq, a.ord
  FROM ROWS FROM (json_to_recordset($4::text::json) AS (event_id uuid, topic text)) WITH ORDINALITY
    AS a (event_id, topic, ord)
)
SELECT CASE
    WHEN a.seq > (SELECT min(e.base_seq) FROM epochs e WHERE e.shard = $1 AND e.epoch > $2) THEN NULL
    WHEN EXISTS (
      SELECT FROM losses l
      WHERE l.shard = $1 AND l.cause = 'gap' AND a.seq > l.after_seq AND a.seq <= l.through_seq
    ) THEN NULL
    WHEN i.shard = $1 AND i.seq = a.seq THEN 'stored'
    WHEN EXISTS (
      SELECT FROM dead_letters d WHERE d.shard = $1 AND a.seq > d.seq - d.deliveries AND a.seq <= d.seq
    ) THEN 'dead_letter'
    WHEN i.event_id IS NOT NULL THEN 'duplicate'
  END AS verdict
FROM asked a LEFT JOIN identities i ON i.event_id = a.event_id AND i.topic = a.topic
ORDER BY a.ord
