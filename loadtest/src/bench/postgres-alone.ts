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

async function storeSet(sql: postgres.Sql, statement: string, shard: number, seq: number, text: string) {
  const [epoch, fence, next_seq] = [0, 0, seq + EVENTS_PER_BATCH];
  const from = [shard, epoch, seq, fence];
  const parameters = [...from, `[${text}]`, null, epoch, next_seq, EVENTS_PER_BATCH, "[]", 0, 0];
  const [outcome] = await sql.unsafe<Outcome[]>(statement, parameters, { prepare: true });
  if (outcome?.moved !== 1) {
    throw new Error(`the statement did not move shard ${shard}: has it changed?`);
  }
  return outcome.unique_processed;
}

/**
 * @param root the project's folder
 * @param schema migrated, and empty
 */
export async function storeAlone(
  { root, url, schema }: { readonly root: string; readonly url: string; readonly schema: string },
  seconds: number,
  ids: IdVersion,
): Promise<StoredAlone> {
  const called = performance.now();
  const texts = batches(seconds, ids);
  const statement = await Bun.file(join(root, ...STATEMENT)).text();
  const sql = connect(url, schema);
  try {
    await sql`INSERT INTO positions (shard) SELECT generate_series(0, ${CONNECTIONS - 1}) ON CONFLICT DO NOTHING`;
    const began = performance.now();
    const deadline = began + seconds * 1_000;
    let unique = 0;
    let stored = 0;
    const connection = async (shard: number): Promise<void> => {
      for (let seq = 0; performance.now() < deadline; seq += EVENTS_PER_BATCH) {
        const text = texts.pop();
        if (text === undefined) {
          return;
        }
        // First the answer, then the sum: the other connections add to it while this one waits.
        const kept = await storeSet(sql, statement, shard, seq, text);
        unique += kept;
        stored += EVENTS_PER_BATCH;
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, shard) => connection(shard)));
    const ended = performance.now();
    return { events: stored, unique, elapsed_s: (ended - began) / 1_000, whole_s: (ended - called) / 1_000 };
  } finally {
    await sql.end({ timeout: 1 });
  }
}
