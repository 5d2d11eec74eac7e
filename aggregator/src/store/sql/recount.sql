-- Everything that must agree, counted from the rows themselves in one snapshot.
SELECT
  (SELECT count(*) FROM identities) AS identities,
  (SELECT count(*) FROM events) AS events,
  -- An event without its identity, or under another delivery than the one that won.
  (SELECT count(*) FROM events e WHERE NOT EXISTS (
    SELECT FROM identities i
    WHERE i.event_id = e.event_id AND i.topic = e.topic AND i.shard = e.shard AND i.seq = e.seq
  )) AS strays,
  (SELECT coalesce(sum(deliveries), 0) FROM dead_letters)::bigint AS dead_letters,
  (SELECT json_build_object(
      'rows', coalesce(sum(d.deliveries) FILTER (WHERE d.state <> 'kept'), 0),
      'counted', (SELECT coalesce(sum(c.dead_resolved), 0) FROM counters c))
    FROM dead_letters d) AS dead_resolved,
  (SELECT json_build_object(
      'duplicates', count(*) + (SELECT f.duplicates FROM audit_forgotten f),
      'conflicts', count(*) FILTER (WHERE conflict) + (SELECT f.conflicts FROM audit_forgotten f))
    FROM duplicates) AS audited,
  (SELECT json_build_object(
      'unique_processed', coalesce(sum(unique_processed), 0),
      'duplicate_dropped', coalesce(sum(duplicate_dropped), 0),
      'conflicts', coalesce(sum(conflicts), 0),
      'dead_lettered', coalesce(sum(dead_lettered), 0))
    FROM counters) AS counted,
  (SELECT coalesce(json_agg(s ORDER BY s.shard), '[]') FROM (
    SELECT p.shard, p.epoch, p.seq, p.issued_epoch,
      (SELECT coalesce(sum(c.unique_processed + c.duplicate_dropped + c.dead_lettered), 0)
        FROM counters c WHERE c.shard = p.shard) AS counted,
      (SELECT coalesce(sum(l.through_seq - l.after_seq), 0)
        FROM losses l WHERE l.shard = p.shard AND l.cause = 'gap') AS lost_in_gaps
    FROM positions p
  ) s) AS shards
