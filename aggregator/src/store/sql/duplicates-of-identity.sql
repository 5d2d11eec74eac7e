-- As duplicates-in-order.sql, of one event_id: few enough to be found by its index and sorted, whatever their order.
--  $1 … $6 as there  $13 event_id
WITH scan AS NOT MATERIALIZED (
  -- OFFSET 0 keeps the planner from walking the order of arrival until it happens to meet this event_id.
  SELECT d.* FROM (SELECT * FROM duplicates WHERE event_id = $13::uuid OFFSET 0) d
  WHERE d.received_at >= coalesce($1::text::timestamptz, '-infinity')
    AND d.received_at < coalesce($2::text::timestamptz, 'infinity')
    AND (d.received_at, d.shard, d.seq) < (
      coalesce($3::text::timestamptz, 'infinity'), coalesce($4::text::integer, 0), coalesce($5::text::bigint, 0)
    )
  ORDER BY d.received_at DESC, d.shard DESC, d.seq DESC
  LIMIT $6
)
