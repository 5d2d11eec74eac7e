/**
 * Counts the rows themselves, with every index off, and says what does not agree. It trusts neither `/stats` nor the
 * counters nor the constraints: a broken unique index would be found here too.
 */
import { count, type Database } from "./database.ts";

export interface Recount {
  readonly identities: number;
  readonly events: number;
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  readonly dead_lettered: number;
  /** Deliveries that the ledger of losses names, of either cause. */
  readonly lost: number;
  /** Sentences about what must not be; empty when all is well. */
  readonly faults: readonly string[];
}

/** Each gives no row when all is well; a row says in words what is wrong. Only tables without indexes are read. */
const INVARIANTS = `
  SELECT 'P2: ' || event_id || ' of ' || topic || ' is remembered ' || count(*) || ' times' AS fault
  FROM identities GROUP BY event_id, topic HAVING count(*) > 1
  UNION ALL
  SELECT 'P2: ' || event_id || ' of ' || topic || ' is stored ' || count(*) || ' times'
  FROM events GROUP BY event_id, topic HAVING count(*) > 1
  UNION ALL
  SELECT 'event without its identity, or the reverse: ' || coalesce(e.event_id, i.event_id)
  FROM identities i FULL JOIN events e USING (event_id, topic, shard, seq)
  WHERE i.event_id IS NULL OR e.event_id IS NULL
  UNION ALL
  SELECT 'P3: topic ' || topic || ' has ' || counted || ' counted and ' || stored || ' stored'
  FROM (SELECT topic, sum(unique_processed) AS counted FROM counters GROUP BY topic) c
  FULL JOIN (SELECT topic, count(*) AS stored FROM identities GROUP BY topic) i USING (topic)
  WHERE coalesce(counted, 0) <> coalesce(stored, 0)
  UNION ALL
  SELECT 'P3: shard ' || shard || ' has ' || counted || ' counted and ' || stored || ' stored'
  FROM (SELECT shard, sum(unique_processed) AS counted FROM counters GROUP BY shard) c
  FULL JOIN (SELECT shard, count(*) AS stored FROM identities GROUP BY shard) i USING (shard)
  WHERE coalesce(counted, 0) <> coalesce(stored, 0)
  UNION ALL
  SELECT 'P3: shard ' || shard || ' stands at ' || p.seq
    || ', accounted for are ' || coalesce(c.n, 0) + coalesce(g.n, 0)
  FROM positions p
  LEFT JOIN (
    SELECT shard, sum(unique_processed + duplicate_dropped + dead_lettered) AS n FROM counters GROUP BY shard
  ) c USING (shard)
  LEFT JOIN (
    SELECT shard, sum(through_seq - after_seq) AS n FROM losses WHERE cause = 'gap' GROUP BY shard
  ) g USING (shard)
  WHERE p.seq <> coalesce(c.n, 0) + coalesce(g.n, 0)
  UNION ALL
  SELECT 'P3: shard ' || shard || ', topic ' || topic || ' has ' || coalesce(c.n, 0) || ' dropped and '
    || coalesce(c.x, 0) || ' conflicts counted, in the audit are ' || coalesce(d.n, 0) || ' and ' || coalesce(d.x, 0)
  FROM (SELECT shard, topic, duplicate_dropped AS n, conflicts AS x FROM counters) c
  FULL JOIN (
    SELECT shard, topic, count(*) AS n, count(*) FILTER (WHERE conflict) AS x FROM duplicates GROUP BY shard, topic
  ) d USING (shard, topic)
  WHERE coalesce(c.n, 0) <> coalesce(d.n, 0) OR coalesce(c.x, 0) <> coalesce(d.x, 0)
  UNION ALL
  SELECT 'seq ' || seq || ' of shard ' || shard || ' was dropped ' || count(*) || ' times'
  FROM duplicates GROUP BY shard, seq HAVING count(*) > 1
  UNION ALL
  SELECT 'seq ' || seq || ' of shard ' || shard || ' was stored and dropped'
  FROM duplicates JOIN identities USING (shard, seq)
  UNION ALL
  SELECT 'dropped without a winner: ' || event_id FROM duplicates d LEFT JOIN identities i USING (event_id, topic)
  WHERE i.event_id IS NULL
  UNION ALL
  SELECT 'conflict judged wrongly: ' || d.event_id
  FROM duplicates d JOIN identities i USING (event_id, topic)
  WHERE d.conflict AND d.content_hash = i.content_hash
  UNION ALL
  SELECT 'shard ' || shard || ' has ' || counted || ' dead letters counted and ' || kept || ' kept'
  FROM (SELECT shard, sum(dead_lettered) AS counted FROM counters GROUP BY shard) c
  FULL JOIN (SELECT shard, sum(deliveries) AS kept FROM dead_letters GROUP BY shard) d USING (shard)
  WHERE coalesce(counted, 0) <> coalesce(kept, 0)
  UNION ALL
  SELECT 'shard ' || shard || ' has ' || counted || ' dead deliveries resolved and ' || rows || ' rows of them'
  FROM (SELECT shard, sum(dead_resolved) AS counted FROM counters GROUP BY shard) c
  FULL JOIN (
    SELECT shard, sum(deliveries) FILTER (WHERE state <> 'kept') AS rows FROM dead_letters GROUP BY shard
  ) d USING (shard)
  WHERE coalesce(counted, 0) <> coalesce(rows, 0)
  UNION ALL
  SELECT 'identity ' || i.event_id || ' lies beyond the position of its shard'
  FROM identities i LEFT JOIN positions p USING (shard) WHERE p.shard IS NULL OR i.seq > p.seq OR i.seq < 1
  UNION ALL
  SELECT 'seq ' || seq || ' of shard ' || shard || ' was given to ' || count(*) || ' identities'
  FROM identities GROUP BY shard, seq HAVING count(*) > 1`;

const SUMS = `
  SELECT
    (SELECT count(*) FROM identities) AS identities,
    (SELECT count(*) FROM events) AS events,
    (SELECT coalesce(sum(unique_processed), 0) FROM counters) AS unique_processed,
    (SELECT coalesce(sum(duplicate_dropped), 0) FROM counters) AS duplicate_dropped,
    (SELECT coalesce(sum(dead_lettered), 0) FROM counters) AS dead_lettered,
    (SELECT coalesce(sum(through_seq - after_seq), 0) FROM losses) AS lost`;

/** Recounts one schema in one snapshot, so that it may run while events come in. */
export async function recount(sql: Database): Promise<Recount> {
  return await sql.begin("isolation level repeatable read read only", async (transaction) => {
    await transaction.unsafe(
      "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off",
    );
    const faults = await transaction.unsafe<{ fault: string }[]>(INVARIANTS);
    const [row = {}] = await transaction.unsafe<Record<string, unknown>[]>(SUMS);
    return {
      identities: count(row["identities"]),
      events: count(row["events"]),
      unique_processed: count(row["unique_processed"]),
      duplicate_dropped: count(row["duplicate_dropped"]),
      dead_lettered: count(row["dead_lettered"]),
      lost: count(row["lost"]),
      faults: faults.map(({ fault }) => fault),
    };
  });
}
