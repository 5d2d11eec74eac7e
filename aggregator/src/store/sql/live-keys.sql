-- The keys that are neither revoked nor expired.
--  $1 keys at most
SELECT k.id, k.name, encode(k.digest, 'hex') AS digest, to_json(k.scopes) AS scopes, to_json(k.topics) AS topics,
  k.rate, k.burst, (extract(epoch FROM k.expires_at - now()) * 1000)::double precision AS expires_in_ms
FROM keys k
WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
ORDER BY k.id
LIMIT $1
