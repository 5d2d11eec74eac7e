-- As duplicates-in-order.sql, of conflicts alone: these have an index of their own.
--  $1 … $6 as there
WITH scan AS NOT MATERIALIZED (
  SELECT d.* FROM duplicates d
  WHERE d.conflict AND d.conflict IS NOT FALSE
    AND d.received_at >= coalesce($1::text::timestamptz, '-infinity')
    AND d.received_at < coalesce($2::text::timestamptz, 'infinity')
    AND (d.received_at, d.shard, d.seq) < (
      coalesce($3::text::timestamptz, 'infinity'), coalesce($4::text::integer, 0), coalesce($5::text::bigint, 0)
    )
  ORDER BY d.received_at DESC, d.shard DESC, d.seq DESC
  LIMIT $6
)
