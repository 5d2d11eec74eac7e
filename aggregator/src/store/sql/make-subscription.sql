-- Makes a subscription with its cursor, unless its name is taken or there are as many as may be.
--  $1 name  $2 topic  $3 its regular expression  $4 start  $5 ack_timeout_s  $6 deliveries_max
--  $7 the cursor, {"shard": seq}  $8 subscriptions at most
WITH made AS (
  INSERT INTO subscriptions (name, topic, topic_regex, start, ack_timeout_s, deliveries_max)
  SELECT $1, $2, $3, $4, $5, $6 WHERE (SELECT count(*) FROM subscriptions) < $8
  ON CONFLICT DO NOTHING
  RETURNING name
), placed AS (
  INSERT INTO subscription_cursors (subscription, shard, seq)
  SELECT m.name, p.shard, coalesce(($7::text::jsonb ->> p.shard::text)::bigint, 0) FROM made m CROSS JOIN positions p
)
SELECT name FROM made
