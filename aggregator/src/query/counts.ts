/**
 * The counts of one instant, exactly (P3).
 *
 * Counters and positions are read by one statement of one snapshot; then, and only then, the heads. What is queued is
 * the difference, so received = unique + duplicate + dead + queued: whatever moved in between was already counted on
 * one side or the other.
 */
import type { StatsCounts } from "@sekali/contract";
import type { Position, Queue } from "../queue/port.ts";
import type { EventStore, Tally, TopicCount } from "../store/port.ts";

export interface Reading {
  readonly tally: Tally;
  /** By shard, in the order of `tally.positions`. */
  readonly heads: ReadonlyMap<number, Position | undefined>;
  readonly counts: StatsCounts;
}

/** @throws StoreAway, TooSlow, QueueAway */
export async function readCounts(store: Pick<EventStore, "tally">, queue: Pick<Queue, "heads">): Promise<Reading> {
  const tally = await store.tally();
  const shards = [...tally.positions.keys()];
  const found = shards.length === 0 ? [] : await queue.heads(shards);
  const heads = new Map(shards.map((shard, index) => [shard, found[index]]));
  let queued = 0;
  for (const [shard, { seq }] of tally.positions) queued += Math.max(0, (heads.get(shard)?.seq ?? 0) - seq);
  const unique = sumOf(tally, "unique_processed");
  const duplicate = sumOf(tally, "duplicate_dropped");
  const dead = sumOf(tally, "dead_lettered");
  const received = unique + duplicate + dead + queued;
  return {
    tally,
    heads,
    counts: { received, unique_processed: unique, duplicate_dropped: duplicate, dead_lettered: dead, queued },
  };
}

/** Over all topics. */
export function sumOf(tally: Tally, field: keyof TopicCount): number {
  return [...tally.topics.values()].reduce((total, count) => total + count[field], 0);
}
