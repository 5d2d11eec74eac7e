-- Notes that keys were used. Of all processes together one writes a minute and key.
--  $1 ids, a JSON array
UPDATE keys SET last_used_at = now()
WHERE id IN (SELECT json_array_elements_text($1::text::json)::integer)
  AND (last_used_at IS NULL OR last_used_at < now() - interval '1 minute')
