/**
 * The ceiling of stored events: Postgres with the service's own statement on the same rows, in sets as large as a worker
 * takes them, and nothing before it: no HTTP, no queue, no validation. The texts are made before the stop-watch starts.
 */
import { PostgresBatchStore } from "../../../aggregator/src/store/batch-store.ts";
import { Database } from "../../../aggregator/src/store/database.ts";
import { events, type IdVersion } from "./templates.ts";

export const CONNECTIONS = 4;
export const EVENTS_PER_BATCH = 2_000;
/** More than any machine stores in a second of one measurement; what is left over is thrown away. */
const EVENTS_PER_SECOND_MAX = 150_000;

export interface StoredAlone {
  readonly events: number;
  readonly unique: number;
  readonly elapsed_s: number;
}

function batches(seconds: number, ids: IdVersion): string[] {
  const source = events(ids);
  const count = Math.ceil((seconds * EVENTS_PER_SECOND_MAX) / EVENTS_PER_BATCH);
  return Array.from({ length: count }, () =>
    Array.from({ length: EVENTS_PER_BATCH }, () => source.next().value).join(","),
  );
}

/** @param schema migrated, and empty */
export async function storeAlone(url: string, schema: string, seconds: number, ids: IdVersion): Promise<StoredAlone> {
  const texts = batches(seconds, ids);
  const database = new Database({ url, schema, connectionsMax: CONNECTIONS, name: "bench" });
  try {
    await database.query(
      "INSERT INTO positions (shard) SELECT generate_series(0, $1::int - 1) ON CONFLICT DO NOTHING",
      [CONNECTIONS],
    );
    const store = new PostgresBatchStore(database);
    const began = performance.now();
    const deadline = began + seconds * 1_000;
    let unique = 0;
    let stored = 0;
    const connection = async (shard: number): Promise<void> => {
      let from = await store.standing(shard);
      while (from !== undefined && performance.now() < deadline) {
        const text = texts.pop();
        if (text === undefined) {
          return;
        }
        const to = { epoch: from.epoch, seq: from.seq + EVENTS_PER_BATCH };
        const batch = { shard, from, to, text, deliveries: EVENTS_PER_BATCH, seqs: undefined, deadLetters: [] };
        const outcome = await store.storeBatch(batch, { dropped: 0, kept: 0 });
        if (outcome === undefined) {
          throw new Error(`shard ${shard} moved by itself`);
        }
        unique += outcome.unique;
        stored += EVENTS_PER_BATCH;
        from = { ...from, ...to };
      }
    };
    await Promise.all(Array.from({ length: CONNECTIONS }, (_, shard) => connection(shard)));
    return { events: stored, unique, elapsed_s: (performance.now() - began) / 1_000 };
  } finally {
    await database.close(1);
  }
}
