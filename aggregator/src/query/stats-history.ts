/**
 * What the counts of `GET /stats` were in the last minutes, in this process's memory.
 *
 * A sample is taken every few seconds, whether anybody looks or not. Where nothing can have moved since the last one,
 * it costs one Redis pipeline and no SQL, so that an idle service still runs no transactions: each delivery raises a
 * head first, and counters only move until the positions have reached the heads. What heads can't tell makes the next
 * sample ask Postgres: a connection to it that ended, because an older state may be behind the next one, and a shard
 * that was not there before. While either database is away there are samples without counts: a gap, and no guess.
 *
 * The counters are those of all processes, so each process remembers the same, from its own start on.
 */
import type { StatsCounts } from "@sekali/contract";
import type { Position, Queue } from "../queue/port.ts";
import type { Signal } from "../queue/signal-hub.ts";
import type { EventStore } from "../store/port.ts";
import { type Reading, readCounts } from "./counts.ts";

export const INTERVAL_MS = 5000;
/** A quarter of an hour, and the sample that it begins with. */
export const SAMPLES_MAX = (15 * 60_000) / INTERVAL_MS + 1;

export interface Sample {
  /** Milliseconds since the Unix epoch. */
  readonly atMs: number;
  /** Undefined: Redis or Postgres was away. */
  readonly counts: StatsCounts | undefined;
}

export class StatsHistory {
  readonly #store: Pick<EventStore, "tally">;
  readonly #queue: Pick<Queue, "heads">;
  readonly #now: () => number;
  #samples: Sample[] = [];
  /** The newest that Postgres has given; undefined: it has not answered since. */
  #last: Reading | undefined;
  #isDoubted = false;
  #timer: ReturnType<typeof setInterval> | undefined;
  #running: Promise<void> | undefined;

  /** @param now milliseconds since the Unix epoch. */
  constructor(store: Pick<EventStore, "tally">, queue: Pick<Queue, "heads">, now = Date.now) {
    this.#store = store;
    this.#queue = queue;
    this.#now = now;
  }

  /** Oldest first. */
  get samples(): readonly Sample[] {
    return this.#samples;
  }

  start(): void {
    this.#timer = setInterval(() => void this.sample(), INTERVAL_MS);
    void this.sample();
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** A connection to the store has ended. */
  doubt(): void {
    this.#isDoubted = true;
  }

  hear({ shard }: Signal): void {
    if (this.#last?.heads.has(shard) !== true) this.doubt();
  }

  /** One that is under way is everybody's; it ends, because every link has its deadline. */
  sample(): Promise<void> {
    this.#running ??= this.#sample().finally(() => {
      this.#running = undefined;
    });
    return this.#running;
  }

  async #sample(): Promise<void> {
    const counts = await this.#count().catch(() => undefined);
    const atMs = this.#now();
    // A clock that was set back: what is remembered lies ahead of it.
    if (atMs < (this.#samples.at(-1)?.atMs ?? 0)) this.#samples = [];
    this.#samples = [...this.#samples, { atMs, counts }].slice(-SAMPLES_MAX);
  }

  async #count(): Promise<StatsCounts> {
    const last = this.#last;
    if (last !== undefined && !this.#isDoubted && (await this.#isUnmoved(last))) return last.counts;
    this.#last = undefined;
    // Doubts that come while it is read remain.
    this.#isDoubted = false;
    this.#last = await readCounts(this.#store, this.#queue);
    return this.#last.counts;
  }

  /** Nothing was queued then, and nothing has come since. */
  async #isUnmoved({ heads, counts }: Reading): Promise<boolean> {
    if (counts.queued > 0) return false;
    const now = heads.size === 0 ? [] : await this.#queue.heads([...heads.keys()]);
    return [...heads.values()].every((head, index) => isSame(head, now[index]));
  }
}

function isSame(one: Position | undefined, other: Position | undefined): boolean {
  return one?.epoch === other?.epoch && one?.seq === other?.seq;
}
