-- Subscriptions with what is left to do: all of them, or one.
--  $1 its name, or null
SELECT s.name, s.topic, s.start, s.ack_timeout_s, s.deliveries_max,
  replace(to_json(s.created_at) #>> '{}', '+00:00', 'Z') AS created_at,
  (SELECT coalesce(sum(greatest(0, p.seq - coalesce(c.seq, 0))), 0)
    FROM positions p LEFT JOIN subscription_cursors c ON c.subscription = s.name AND c.shard = p.shard)::bigint AS lag,
  (SELECT count(*) FROM leases l WHERE l.subscription = s.name) AS outstanding,
  (SELECT count(*) FROM subscription_dead_letters d WHERE d.subscription = s.name) AS dead,
  (SELECT coalesce(sum(c.expired), 0) FROM subscription_cursors c WHERE c.subscription = s.name)::bigint AS expired
FROM subscriptions s
WHERE $1::text IS NULL OR s.name = $1::text
ORDER BY s.name
