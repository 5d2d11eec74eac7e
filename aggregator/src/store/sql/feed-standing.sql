-- Where the feed begins and ends in each shard, in one snapshot.
--  $1 the last seq of each shard that arrived before this time, or null where nobody asks
SELECT p.shard, p.seq AS "position", coalesce(h.seq, 0) AS horizon,
  CASE WHEN $1::text IS NOT NULL THEN seq_before(p.shard, coalesce(h.seq, 0), p.seq, $1::text::timestamptz) END
    AS before_arrival
FROM positions p LEFT JOIN horizons h USING (shard)
