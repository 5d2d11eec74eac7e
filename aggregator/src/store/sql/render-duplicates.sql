-- Filters and renders what `scan` looks at, and says where it ended if it ended before the page was full.
--  $7 topic, or null  $8 a regular expression for the topic, or null  $9 source, or null  $10 conflict, or null
--  $11 rows of the page and one more  $12 a page ends with the row that makes it larger than so many bytes
, page AS MATERIALIZED (
  SELECT s.*, sum(coalesce(octet_length(s.payload::text), 0)) OVER (
      ORDER BY s.received_at DESC, s.shard DESC, s.seq DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    ) AS bytes_before
  FROM (
    SELECT n.* FROM scan n
    WHERE ($7::text IS NULL OR n.topic = $7) AND ($8::text IS NULL OR n.topic ~ $8)
      AND ($9::text IS NULL OR n.source = $9) AND ($10::text IS NULL OR n.conflict = $10::text::boolean)
    ORDER BY n.received_at DESC, n.shard DESC, n.seq DESC
    LIMIT $11
  ) s
), ended AS (
  SELECT CASE WHEN (SELECT count(*) FROM page) < $11 THEN (
    SELECT json_build_array(to_json(l.received_at) #>> '{}', l.shard::text, l.seq::text)
    FROM (SELECT n.* FROM scan n ORDER BY n.received_at DESC, n.shard DESC, n.seq DESC OFFSET $6 - 1 LIMIT 1) l
  ) END AS ended_at
)
SELECT ended.ended_at, to_json(p.received_at) #>> '{}' AS received_at, p.shard, p.seq,
  coalesce(p.bytes_before, 0) > $12 AS is_beyond,
  CASE WHEN p.bytes_before > $12 THEN '' ELSE
    '{"topic":' || to_json(p.topic) || ',"event_id":"' || p.event_id || '","source":' || to_json(p.source)
    || ',"received_at":' || replace(to_json(p.received_at)::text, '+00:00"', 'Z"')
    || ',"shard":' || p.shard || ',"seq":' || p.seq || ',"conflict":' || coalesce(p.conflict::text, 'null')
    || CASE WHEN p.conflict THEN
      ',"timestamp":' || replace(to_json(p."timestamp")::text, '+00:00"', 'Z"')
      || ',"payload":' || coalesce(p.payload::text, 'null') ELSE '' END
    || '}' END AS record
FROM ended LEFT JOIN page p ON true
ORDER BY p.received_at DESC, p.shard DESC, p.seq DESC
