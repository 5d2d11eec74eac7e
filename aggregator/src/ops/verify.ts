/**
 * `aggregator verify`: recounts everything on live data and says what does not agree.
 *
 * The rows are counted in one snapshot of Postgres. Redis goes on meanwhile, so each shard is then read from its
 * position at that time up to where the head was first seen; a missing entry only counts as missing while the position
 * stands still.
 */
import type { Position, Queue } from "../queue/port.ts";
import type { BatchStore, Recount, StoreKeeping } from "../store/port.ts";

export type Verifiable = Pick<BatchStore, "standing"> & Pick<StoreKeeping, "recount">;

const READ_DELIVERIES_MAX = 10_000;
const READ_BYTES_MAX = 8 * 1024 * 1024;
const TRIES_MAX = 5;

export interface Check {
  readonly name: string;
  readonly expected: number | string;
  readonly found: number | string;
  readonly agrees: boolean;
}

export interface Verification {
  readonly agrees: boolean;
  readonly checks: readonly Check[];
}

export async function verify(store: Verifiable, queue: Queue, keepsEverything: boolean): Promise<Verification> {
  const recount = await store.recount();
  const checks = [...checkRows(recount, keepsEverything)];
  for (const { shard } of recount.shards) checks.push(...(await checkQueue(store, queue, shard)));
  return { agrees: checks.every((check) => check.agrees), checks };
}

function check(name: string, expected: number | string, found: number | string): Check {
  return { name, expected, found, agrees: expected === found };
}

function* checkRows(recount: Recount, keepsEverything: boolean): Generator<Check> {
  const { counted: all, audited } = recount;
  yield check("identities are as many as counted unique", all.unique_processed, recount.identities);
  yield check("duplicates in the audit are as many as counted", all.duplicate_dropped, audited.duplicates);
  yield check("conflicts in the audit are as many as counted", all.conflicts, audited.conflicts);
  yield check("dead letters are as many as counted", all.dead_lettered, recount.deadLetters);
  const { deadResolved } = recount;
  yield check("resolved dead letters are as many as counted", deadResolved.counted, deadResolved.rows);
  yield check("events without the identity that let them in", 0, recount.strayEvents);
  if (keepsEverything) yield check("events are as many as identities", recount.identities, recount.events);
  for (const { shard, position, counted, lostInGaps } of recount.shards) {
    yield check(`shard ${shard}: position is what was counted and lost`, counted + lostInGaps, position.seq);
  }
}

async function checkQueue(store: Verifiable, queue: Queue, shard: number): Promise<Check[]> {
  const name = `shard ${shard}: entries from the position to the head`;
  for (let tries = 1; ; tries += 1) {
    const from = await store.standing(shard);
    if (from === undefined) return [];
    const walk = await walkEntries(queue, shard, from);
    if (walk.missingAfter === undefined) return [check(name, walk.waiting, walk.found)];
    const now = await store.standing(shard);
    const stoodStill = now?.seq === from.seq && now.epoch === from.epoch;
    if (stoodStill || tries >= TRIES_MAX) {
      return [check(name, walk.waiting, `${walk.found}, nothing follows seq ${walk.missingAfter}`)];
    }
  }
}

async function walkEntries(queue: Queue, shard: number, from: Position) {
  let at: Position = from;
  let until: number | undefined;
  for (;;) {
    const { entries, head } = await queue.read(shard, at, READ_DELIVERIES_MAX, READ_BYTES_MAX);
    until ??= Math.max(head?.seq ?? 0, from.seq);
    const waiting = until - from.seq;
    for (const entry of entries) {
      const deliveries = entry.content?.deliveries ?? entry.position.seq - at.seq;
      if (entry.position.seq - deliveries !== at.seq)
        return { waiting, found: at.seq - from.seq, missingAfter: at.seq };
      at = entry.position;
      if (at.seq >= until) return { waiting, found: waiting, missingAfter: undefined };
    }
    if (at.seq >= until) return { waiting, found: waiting, missingAfter: undefined };
    if (entries.length === 0) return { waiting, found: at.seq - from.seq, missingAfter: at.seq };
  }
}

/** For a terminal: one line a check, the disagreeing ones last. */
export function formatVerification({ agrees, checks }: Verification): string {
  const lines = checks
    .toSorted((a, b) => Number(b.agrees) - Number(a.agrees))
    .map(
      ({ agrees: fine, name, expected, found }) =>
        `${fine ? "ok      " : "DIFFERS "} ${name}: ${expected}${fine ? "" : `, found ${found}`}`,
    );
  return [...lines, agrees ? "Everything agrees." : "Something does not agree; see the lines marked DIFFERS."].join(
    "\n",
  );
}
