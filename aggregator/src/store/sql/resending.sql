-- The sources that resend most, among the newest dropped deliveries.
--  $1 deliveries to look at  $2 sources at most
WITH newest AS MATERIALIZED (
  SELECT d.received_at, d.source, d.conflict FROM duplicates d
  ORDER BY d.received_at DESC, d.shard DESC, d.seq DESC
  LIMIT $1
)
SELECT count(*) AS duplicates,
  replace(to_json(min(n.received_at)) #>> '{}', '+00:00', 'Z') AS since,
  (SELECT coalesce(json_agg(s), '[]') FROM (
    SELECT m.source, count(*) AS duplicates, count(*) FILTER (WHERE m.conflict) AS conflicts
    FROM newest m GROUP BY m.source ORDER BY 2 DESC, 1 LIMIT $2
  ) s) AS sources
FROM newest n
