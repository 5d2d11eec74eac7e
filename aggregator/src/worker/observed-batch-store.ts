/** A batch store whose transactions are observed: how each ended, how long it took, how late it was, for whom. */
import type { TransactionEnd, WorkerObserver } from "../ops/observers.ts";
import type { Tracing } from "../ops/tracing-port.ts";
import type { Position } from "../queue/port.ts";
import {
  type Batch,
  type BatchStore,
  type Examined,
  type Naming,
  type Standing,
  StoreAway,
  type StoredBatch,
  TooSlow,
  Unstorable,
} from "../store/port.ts";

export class ObservedBatchStore implements BatchStore {
  readonly #store: BatchStore;
  readonly #observer: WorkerObserver;
  readonly #tracing: Tracing | undefined;

  constructor(store: BatchStore, observer: WorkerObserver, tracing: Tracing | undefined) {
    this.#store = store;
    this.#observer = observer;
    this.#tracing = tracing;
  }

  storeBatch(batch: Batch, naming: Naming): Promise<StoredBatch | undefined> {
    const work = () => this.#storeBatch(batch, naming);
    if (this.#tracing === undefined) return work();
    const traces = (batch.entries ?? []).flatMap(({ traces }) => traces ?? []);
    const { shard, deliveries } = batch;
    return this.#tracing.transaction({ shard, deliveries, traces }, work);
  }

  async #storeBatch(batch: Batch, naming: Naming): Promise<StoredBatch | undefined> {
    const startedAtMs = performance.now();
    const ended = (end: TransactionEnd) =>
      this.#observer.transaction(end, batch.deliveries, performance.now() - startedAtMs);
    try {
      const stored = await this.#store.storeBatch(batch, naming);
      ended(stored === undefined ? "contended" : "committed");
      if (stored !== undefined) this.#observeDelays(batch);
      return stored;
    } catch (error) {
      ended(endOf(error));
      throw error;
    }
  }

  #observeDelays({ entries = [] }: Batch): void {
    const nowMs = Date.now();
    for (const { addedAtMs } of entries) if (addedAtMs !== undefined) this.#observer.entryCommitted(nowMs - addedAtMs);
  }

  onConnectionLost(listener: () => void): void {
    this.#store.onConnectionLost(listener);
  }

  standings(): Promise<ReadonlyMap<number, Standing>> {
    return this.#store.standings();
  }

  standing(shard: number): Promise<Standing | undefined> {
    return this.#store.standing(shard);
  }

  skipGap(shard: number, from: Standing, to: Position): Promise<boolean> {
    return this.#store.skipGap(shard, from, to);
  }

  examine(text: string, deliveries: number): Promise<readonly Examined[] | { sqlstate: string; reason: string }> {
    return this.#store.examine(text, deliveries);
  }
}

function endOf(error: unknown): TransactionEnd {
  if (error instanceof TooSlow) return "too_slow";
  if (error instanceof Unstorable) return "refused";
  return error instanceof StoreAway ? "away" : "failed";
}
