-- Makes a key, unless its name is taken or as many are live as may be. Gives one row: what became of it.
--  $1 name  $2 digest, hexadecimal  $3 scopes, $4 topics: JSON arrays  $5 rate, $6 burst, or null
--  $7 milliseconds until it expires, or null  $8 live keys at most
WITH made AS (
  INSERT INTO keys (name, digest, scopes, topics, rate, burst, expires_at)
  SELECT $1, decode($2, 'hex'),
    ARRAY(SELECT json_array_elements_text($3::text::json)), ARRAY(SELECT json_array_elements_text($4::text::json)),
    $5::text::integer, $6::text::integer, now() + $7::text::double precision * interval '1 ms'
  WHERE (
    SELECT count(*) FROM keys k WHERE k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > now())
  ) < $8::text::integer
  ON CONFLICT (name) DO NOTHING
  RETURNING id
)
SELECT CASE
  WHEN EXISTS (SELECT FROM made) THEN 'made'
  WHEN EXISTS (SELECT FROM keys WHERE name = $1) THEN 'taken'
  ELSE 'full'
END AS outcome
