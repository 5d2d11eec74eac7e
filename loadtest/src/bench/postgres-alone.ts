/**
 * The ceiling of stored events: Postgres with the service's own statement on the same rows, in sets as large as a
 * worker takes them, and nothing before it: no HTTP, no queue, no validation. The texts are made before the
 * stop-watch starts.
 */
import { join } from "node:path";
import postgres from "postgres";
import { events, type IdVersion } from "./templates.ts";

export const CONNECTIONS = 4;
export const EVENTS_PER_BATCH = 2_000;
/** More than any machine stores in a second of one measurement; what is left over is thrown away. */
const EVENTS_PER_SECOND_MAX = 150_000;

export interface StoredAlone {
  readonly events: number;
  readonly unique: number;
  readonly elapsed_s: number;
  /** With the making of the texts, before the stop-watch started. */
  readonly whole_s: number;
}

function batches(seconds: number, ids: IdVersion): string[] {
  const source = events(ids);
  const count = Math.ceil((seconds * EVENTS_PER_SECOND_MAX) / EVENTS_PER_BATCH);
  return Array.from({ length: count }, () =>
    Array.from({ length: EVENTS_PER_BATCH }, () => source.next().value).join(","),
  );
}

/** The parameters of the statement stand at its head, in the file itself. */
const STATEMENT = ["aggregator", "src", "store", "sql", "store-batch.sql"];

/** With the audit of duplicates, as the service has it, or without, to show what that costs. */
export type StatementKind = "audited" | "unaudited";

/** What makes the audit: comparing each duplicate with its winner, and writing its row. */
const COMPARISON = /d\.content_hash <> coalesce\([\s\S]*?\)\) AS conflict/;
const WRITING = /\), audited AS \([\s\S]*?(?=\), buried AS \()/;

async function readStatement(root: string, kind: StatementKind): Promise<string> {
  const statement = await Bun.file(join(root, ...STATEMENT)).text();
  if (kind === "audited") {
    return statement;
  }
  if (!COMPARISON.test(statement) || !WRITING.test(statement)) {
    throw new Error("the statement's audit is not where it was: has it changed?");
  }
  return statement.replace(COMPARISON, "false AS conflict").replace(WRITING, "");
}

/** The part of the statement's answer that is needed here. */
interface Outcome {
  readonly moved: number;
  readonly unique_processed: number;
}

function connect(url: string, schema: string): postgres.Sql {
  return postgres(url, {
    max: CONNECTIONS,
    fetch_types: false,
    onnotice: () => {},
    // As the service's own sessions are set.
    connection: { search_path: `"${schema}", pg_temp`, TimeZone: "UTC", synchronous_commit: "on" },
  });
}

interface Position {
  readonly shard: number;
  readonly epoch: number;
  readonly fence: number;
}

async function positions(sql: postgres.Sql): Promise<(Position & { readonly seq: number })[]> {
  await sql`INSERT INTO positions (shard) SELECT generate_series(0, ${CONNECTIONS - 1}) ON CONFLICT DO NOTHING`;
  return await sql<(Position & { seq: number })[]>`
    SELECT shard, epoch::float8 AS epoch, fence::float8 AS fence, seq::float8 AS seq
      FROM positions ORDER BY shard LIMIT ${CONNECTIONS}`;
}

async function storeSet(sql: postgres.Sql, statement: string, position: Position, seq: number, text: string) {
  const { shard, epoch, fence } = position;
  const next_seq = seq + EVENTS_PER_BATCH;
  const from = [shard, epoch, seq, fence];
  const parameters = [...from, `[${text}]`, null, epoch, next_seq, EVENTS_PER_BATCH, "[]", 0, 0, 0];
  const [outcome] = await sql.unsafe<Outcome[]>(statement, parameters, { prepare: true });
  if (outcome?.moved !== 1) {
    throw new Error(`the statement did not move shard ${shard}: has it changed?`);
  }
  return outcome.unique_processed;
}

export interface StorePlace {
  /** The project's folder. */
  readonly root: string;
  readonly url: string;
  /** Migrated; no service is using it. */
  readonly schema: string;
}

export async function storeAlone(
  { root, url, schema }: StorePlace,
  seconds: number,
  ids: IdVersion,
  kind: StatementKind,
): Promise<StoredAlone> {
  const called = performance.now();
  const texts = batches(seconds, ids);
  const statement = await readStatement(root, kind);
  const sql = connect(url, schema);
  try {
    const from = await positions(sql);
    const began = performance.now();
    const deadline = began + seconds * 1_000;
    let unique = 0;
    let stored = 0;
    const connection = async (position: Position & { readonly seq: number }): Promise<void> => {
      for (let { seq } = position; performance.now() < deadline; seq += EVENTS_PER_BATCH) {
        const text = texts.pop();
        if (text === undefined) {
          return;
        }
        // First the answer, then the sum: the other connections add to it while this one waits.
        const kept = await storeSet(sql, statement, position, seq, text);
        unique += kept;
        stored += EVENTS_PER_BATCH;
      }
    };
    await Promise.all(from.map(connection));
    const ended = performance.now();
    return { events: stored, unique, elapsed_s: (ended - began) / 1_000, whole_s: (ended - called) / 1_000 };
  } finally {
    await sql.end({ timeout: 1 });
  }
}

/** Stores events, three in ten of them twice, until so many are there. Goes on where a call before it stopped. */
export async function storeUntil({ root, url, schema }: StorePlace, unique_min: number, ids: IdVersion): Promise<void> {
  const statement = await readStatement(root, "audited");
  const sql = connect(url, schema);
  const source = events(ids);
  try {
    const [there] = await sql<{ unique: number }[]>`SELECT sum(unique_processed)::float8 AS unique FROM counters`;
    let unique = there?.unique ?? 0;
    const connection = async (position: Position & { readonly seq: number }): Promise<void> => {
      for (let { seq } = position; unique < unique_min; seq += EVENTS_PER_BATCH) {
        const text = Array.from({ length: EVENTS_PER_BATCH }, () => source.next().value).join(",");
        const kept = await storeSet(sql, statement, position, seq, text);
        unique += kept;
      }
    };
    await Promise.all((await positions(sql)).map(connection));
  } finally {
    await sql.end({ timeout: 1 });
  }
}
