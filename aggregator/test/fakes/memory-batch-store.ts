/** The workers' side of the store's port in memory: positions move, batches are remembered, nothing is judged. */
import type { Position } from "../../src/queue/port.ts";
import type { Batch, BatchStore, Examined, Naming, Standing, StoredBatch } from "../../src/store/port.ts";

export type Examination = readonly Examined[] | { sqlstate: string; reason: string };

export class MemoryBatchStore implements BatchStore {
  readonly rows = new Map<number, Standing>();
  /** Batches that were committed, in order. */
  readonly batches: Batch[] = [];
  readonly gaps: { readonly from: Standing; readonly to: Position }[] = [];
  readonly examined: string[] = [];
  lookups = 0;
  /** Batches that wait behind another worker's lock change nothing. */
  isHeldElsewhere = false;

  /** Runs before each call; what it throws is what the call fails with. */
  before: (call: "standing" | "storeBatch" | "skipGap" | "examine", batch?: Batch) => void = () => {};
  examination: (text: string, deliveries: number) => Examination = (text) =>
    text.split(",").map((raw) => ({ raw, refusal: undefined }));

  constructor(rows: Record<number, Standing> = {}) {
    for (const [shard, standing] of Object.entries(rows)) this.rows.set(Number(shard), standing);
  }

  /** Called by a test as the end of a connection. */
  loseConnection: () => void = () => {};

  onConnectionLost(listener: () => void): void {
    this.loseConnection = listener;
  }

  async standings(): Promise<ReadonlyMap<number, Standing>> {
    return new Map(this.rows);
  }

  async standing(shard: number): Promise<Standing | undefined> {
    this.before("standing");
    this.lookups += 1;
    return this.rows.get(shard);
  }

  async storeBatch(batch: Batch, _naming: Naming): Promise<StoredBatch | undefined> {
    this.before("storeBatch", batch);
    if (this.isHeldElsewhere || !this.#standsAt(batch.shard, batch.from)) return undefined;
    this.rows.set(batch.shard, { ...batch.from, ...batch.to });
    this.batches.push(batch);
    const nothing = { dropped: [], kept: [], conflicts: 0, unjudged: 0, conflicting: [] };
    return { unique: batch.deliveries, duplicates: 0, ...nothing };
  }

  async skipGap(shard: number, from: Standing, to: Position): Promise<boolean> {
    this.before("skipGap");
    if (!this.#standsAt(shard, from)) return false;
    this.rows.set(shard, { ...from, ...to });
    this.gaps.push({ from, to });
    return true;
  }

  async examine(text: string, deliveries: number): Promise<Examination> {
    this.before("examine");
    this.examined.push(text);
    return this.examination(text, deliveries);
  }

  #standsAt(shard: number, from: Standing): boolean {
    const now = this.rows.get(shard);
    return now?.epoch === from.epoch && now.seq === from.seq && now.fence === from.fence;
  }
}
