-- What was counted of each topic, in the order of their names.
SELECT topic, sum(unique_processed)::bigint AS unique_processed, sum(duplicate_dropped)::bigint AS duplicate_dropped
FROM counters
WHERE topic <> ''
GROUP BY topic
ORDER BY topic
