-- Counters and positions of one instant: a single statement sees a single snapshot.
SELECT
  (SELECT coalesce(json_agg(t), '[]') FROM (
    SELECT topic, sum(unique_processed) AS unique_processed, sum(duplicate_dropped) AS duplicate_dropped,
      sum(conflicts) AS conflicts, sum(dead_lettered) AS dead_lettered
    FROM counters GROUP BY topic ORDER BY topic
  ) t) AS topics,
  (SELECT coalesce(json_agg(p), '[]') FROM (SELECT shard, epoch, seq FROM positions) p) AS positions,
  (SELECT coalesce(sum(through_seq - after_seq), 0) FROM losses)::bigint AS lost,
  (SELECT coalesce(sum(dead_lettered - dead_resolved), 0) FROM counters)::bigint AS dead_open
