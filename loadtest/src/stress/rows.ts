/**
 * Which of the identities that a run sent are stored, row by row. The counters of `/stats` are the service's own word;
 * the rows are the evidence.
 */
import { SQL } from "bun";
import type { Identity } from "../../k6/plan.ts";
import { eventsSince } from "./service.ts";

export interface Rows {
  readonly source: string;
  /** For each identity (`topic event_id`), how many rows it has, whether this run sent it or not. */
  readonly counts: ReadonlyMap<string, number>;
  /** How many of the run's identities the deduplication store knows; only the database itself can tell. */
  readonly identities: number | undefined;
}

const IDENTITIES_A_QUERY = 10_000;

export const keyOf = ({ topic, event_id }: Identity): string => `${topic} ${event_id}`;

function countRow(counts: Map<string, number>, identity: Identity): void {
  const key = keyOf(identity);
  counts.set(key, (counts.get(key) ?? 0) + 1);
}

/** Newest first through `/events`, which anybody can do who can reach the service. */
export async function rowsFromEvents(base: string, topics: readonly string[], since_ms: number): Promise<Rows> {
  const counts = new Map<string, number>();
  for (const topic of topics) {
    for await (const event of eventsSince(base, topic, since_ms)) {
      countRow(counts, event);
    }
  }
  return { source: "GET /events, page by page", counts, identities: undefined };
}

async function knownIdentities(sql: SQL, identities: readonly Identity[]): Promise<number> {
  let known = 0;
  for (let first = 0; first < identities.length; first += IDENTITIES_A_QUERY) {
    const asked = JSON.stringify(identities.slice(first, first + IDENTITIES_A_QUERY));
    const [row] = await sql`
      SELECT count(*)::int AS known
        FROM json_to_recordset(${asked}::text::json) AS sent (topic text, event_id uuid)
        JOIN identities USING (topic, event_id)`;
    known += Number(row.known);
  }
  return known;
}

export interface DatabasePlace {
  readonly url: string;
  readonly schema: string;
}

/** Straight from the tables, where the database can be reached. */
export async function rowsFromPostgres(
  { url, schema }: DatabasePlace,
  topics: readonly string[],
  since_ms: number,
  sent: readonly Identity[],
): Promise<Rows> {
  const sql = new SQL(url, { max: 1 });
  try {
    await sql`SELECT set_config('search_path', ${`"${schema}"`}, false)`;
    const counts = new Map<string, number>();
    for (const topic of topics) {
      const since = new Date(since_ms).toISOString();
      const rows: Identity[] = await sql`
        SELECT topic, event_id::text FROM events WHERE topic = ${topic} AND "timestamp" >= ${since}::timestamptz`;
      for (const row of rows) {
        countRow(counts, row);
      }
    }
    return { source: "the tables in Postgres", counts, identities: await knownIdentities(sql, sent) };
  } finally {
    await sql.close();
  }
}
