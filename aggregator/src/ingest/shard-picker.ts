/**
 * Which shard the next entry goes to: one shard for a while, then the next.
 *
 * Staying a moment lets a worker find many entries where it looks, so that one transaction stores them together. Going
 * on keeps all shards, and so all workers, about equally busy.
 */

const STAY_MS = 20;
/** What one transaction stores; more in one shard would only wait there. */
const STAY_DELIVERIES = 2000;

export class ShardPicker {
  readonly #shards: number;
  #shard: number;
  #sinceMs = Number.NEGATIVE_INFINITY;
  #deliveries = 0;

  constructor(shards: number) {
    this.#shards = shards;
    this.#shard = shards - 1;
  }

  /** @returns the shard for an entry with so many deliveries. */
  pick(deliveries: number): number {
    if (this.#deliveries >= STAY_DELIVERIES || performance.now() - this.#sinceMs > STAY_MS) this.next();
    this.#deliveries += deliveries;
    return this.#shard;
  }

  /** Goes on to the next shard, also early, because this one can't be added to. */
  next(): number {
    this.#shard = (this.#shard + 1) % this.#shards;
    this.#sinceMs = performance.now();
    this.#deliveries = 0;
    return this.#shard;
  }
}
