-- Dropped deliveries, newest first, as far as one page may look; render-duplicates.sql follows.
--  $1, $2 since (inclusive), until (exclusive), or null  $3, $4, $5 the cursor's received_at, shard and seq, or null
--  $6 rows to look at
WITH scan AS NOT MATERIALIZED (
  SELECT d.* FROM duplicates d
  WHERE d.received_at >= coalesce($1::text::timestamptz, '-infinity')
    AND d.received_at < coalesce($2::text::timestamptz, 'infinity')
    AND (d.received_at, d.shard, d.seq) < (
      coalesce($3::text::timestamptz, 'infinity'), coalesce($4::text::integer, 0), coalesce($5::text::bigint, 0)
    )
  ORDER BY d.received_at DESC, d.shard DESC, d.seq DESC
  LIMIT $6
)
