-- Gives up leases that are still those which were handed out: of the attempt that is named. Sorted, so that two answers
-- with the same events wait for each other in one direction only.
--  $1 subscription  $2 a JSON array of {shard, seq, attempt}  $3 false: not dealt with, to be handed out again at once
WITH named AS MATERIALIZED (
  SELECT a.* FROM json_to_recordset($2::text::json) AS a (shard integer, seq bigint, attempt integer)
), held AS MATERIALIZED (
  SELECT l.shard, l.seq, l.attempt FROM leases l JOIN named n USING (shard, seq, attempt)
  WHERE l.subscription = $1
  ORDER BY l.shard, l.seq
  FOR UPDATE OF l
), done AS (
  DELETE FROM leases l USING held h
  WHERE $3::text::boolean AND l.subscription = $1 AND l.shard = h.shard AND l.seq = h.seq AND l.attempt = h.attempt
), returned AS (
  UPDATE leases l SET expires_at = now() FROM held h
  WHERE NOT $3::text::boolean AND l.subscription = $1 AND l.shard = h.shard AND l.seq = h.seq
    AND l.attempt = h.attempt
)
SELECT EXISTS (SELECT FROM subscriptions WHERE name = $1) AS stands,
  (SELECT coalesce(json_agg(json_build_array(h.shard, h.seq, h.attempt)), '[]') FROM held h) AS held
