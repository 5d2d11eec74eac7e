-- All keys that ever were, for people.
SELECT k.name, to_json(k.scopes) AS scopes, to_json(k.topics) AS topics, k.rate, k.burst,
  CASE WHEN k.revoked_at IS NOT NULL THEN 'revoked' WHEN k.expires_at <= now() THEN 'expired' ELSE 'live' END AS state,
  replace(to_json(k.created_at) #>> '{}', '+00:00', 'Z') AS created_at,
  replace(to_json(k.expires_at) #>> '{}', '+00:00', 'Z') AS expires_at,
  replace(to_json(k.revoked_at) #>> '{}', '+00:00', 'Z') AS revoked_at,
  replace(to_json(k.last_used_at) #>> '{}', '+00:00', 'Z') AS last_used_at
FROM keys k
ORDER BY k.name
