/**
 * What a loop does with one shard: read after the position, commit what was read, say so.
 *
 * Who has authority: the position row. The copy of it that is kept here is a guess that saves a query; a batch built on
 * a wrong guess changes nothing, because its statement compares before it sets, and the guess is then thrown away. So
 * any number of workers, in any number of processes, may do this with the same shard at the same time.
 *
 * Errors never skip anything. The data are only blamed when a delivery is refused by itself (see poison.ts); a slow
 * statement gets half as much; everything else is tried again, with full jitter and a bound on the delay, while the
 * shard counts as stuck. Deliveries that Redis no longer has are written down as lost before the position moves on.
 */
import { ExponentialBackoff, fullJitterGenerator, type IBackoff, type IBackoffFactory } from "cockatiel";
import type { Logger } from "../ops/log.ts";
import type { Entry, Position, Queue } from "../queue/port.ts";
import { ForeignQueue, isAfter, QueueAway } from "../queue/port.ts";
import type { SignalHub } from "../queue/signal-hub.ts";
import type { Batch, BatchStore, Standing, StoredBatch } from "../store/port.ts";
import { StoreAway, TooSlow, Unstorable } from "../store/port.ts";
import type { DeliveryLog } from "./delivery-log.ts";
import type { After } from "./dispatcher.ts";
import { separatePoison } from "./poison.ts";

/** A transaction of 2,000 deliveries is as fast for each of them as a larger one, and half as long to wait for. */
const BATCH_DELIVERIES_MAX = 2000;
const BATCH_BYTES_MAX = 4 * 1024 * 1024;
const RETRY_BACKOFF = new ExponentialBackoff({ generator: fullJitterGenerator, initialDelay: 50, maxDelay: 3000 });
/** Another worker holds the shard; it will be woken for what it leaves. */
const CONTENDED_DELAY_MS = 20;

/** A shard that can't go on at the moment. */
export interface Stuck {
  readonly shard: number;
  readonly reason: string;
  readonly sinceMs: number;
  /** Milliseconds since the Unix epoch, by Redis's clock. */
  readonly oldestAddedAtMs: number | undefined;
}

export class ShardWorker {
  readonly #queue: Queue;
  readonly #store: BatchStore;
  readonly #hub: SignalHub;
  readonly #log: Logger;
  readonly #deliveries: DeliveryLog;
  readonly #standings = new Map<number, Standing>();
  readonly #limits = new Map<number, number>();
  readonly #backoffs = new Map<number, IBackoff<unknown>>();
  readonly #stuck = new Map<number, Stuck>();
  readonly #oldest = new Map<number, number>();
  /** Shards whose last trim is known to have reached Redis: their share of the queue's bounds is free again. */
  readonly #trimmed = new Set<number>();

  constructor(queue: Queue, store: BatchStore, hub: SignalHub, log: Logger, deliveries: DeliveryLog) {
    this.#queue = queue;
    this.#store = store;
    this.#hub = hub;
    this.#log = log;
    this.#deliveries = deliveries;
  }

  get stuck(): readonly Stuck[] {
    return [...this.#stuck.values()];
  }

  /** The position last seen, which may be behind. */
  lastSeen(shard: number): Standing | undefined {
    return this.#standings.get(shard);
  }

  /** Throws the guesses away: the store may have gone back (failover, restore), and then so have its positions. */
  forgetStandings(): void {
    this.#standings.clear();
  }

  forgetStanding(shard: number): void {
    this.#standings.delete(shard);
  }

  /** True if Redis may still count what is committed as waiting. */
  needsTrim(shard: number): boolean {
    return !this.#trimmed.has(shard);
  }

  /** One transaction at most. */
  async work(shard: number): Promise<After> {
    try {
      const after = await this.#advance(shard);
      if (this.#stuck.delete(shard)) this.#log.info({ shard }, "Shard goes on");
      this.#backoffs.delete(shard);
      return after;
    } catch (error) {
      return this.#retryLater(shard, error);
    }
  }

  async #advance(shard: number): Promise<After> {
    const from = this.#standings.get(shard) ?? (await this.#store.standing(shard));
    if (from === undefined) return { kind: "quiet" };
    this.#standings.set(shard, from);
    const limit = this.#limits.get(shard) ?? BATCH_DELIVERIES_MAX;
    const { entries, head } = await this.#queue.read(shard, from, limit, BATCH_BYTES_MAX);
    if (head !== undefined && head.epoch !== from.issuedEpoch) return this.#standApart(shard, from, head);
    const first = entries[0];
    if (first === undefined) {
      if (head !== undefined && head.seq > from.seq) return this.#skipGap(shard, from, head);
      if (this.needsTrim(shard)) this.#trim(shard, from, undefined);
      return { kind: "quiet" };
    }
    this.#oldest.set(shard, first.addedAtMs ?? 0);
    const firstSeq = firstSeqOf(first, from.seq);
    if (firstSeq > from.seq + 1) {
      return this.#skipGap(shard, from, { epoch: first.position.epoch, seq: firstSeq - 1 });
    }
    const run = contiguous(entries, from.seq);
    const last = run.at(-1) ?? first;
    const stored = await this.#commit(shard, from, run, last.position);
    if (stored === undefined) return this.#standElsewhere(shard, from);
    this.#committed(shard, from, last);
    this.#deliveries.batch(shard, last.position, stored);
    const limited = this.#limits.get(shard);
    if (limited !== undefined) this.#limits.set(shard, Math.min(BATCH_DELIVERIES_MAX, limited * 2));
    return head !== undefined && head.seq > last.position.seq ? { kind: "again" } : { kind: "quiet" };
  }

  async #commit(
    shard: number,
    from: Standing,
    entries: readonly Entry[],
    to: Position,
  ): Promise<StoredBatch | undefined> {
    const plain = plainBatch(shard, from, entries, to);
    try {
      if (plain !== undefined) return await this.#store.storeBatch(plain, this.#deliveries.naming);
    } catch (error) {
      if (!(error instanceof Unstorable)) throw error;
      this.#log.warn({ shard, reason: error.message }, "Batch refused, examining its deliveries");
    }
    const examined = await separatePoison(this.#store, shard, from, entries, to);
    if (examined.deadLetters.length === 0) {
      throw new StoreAway("Postgres refuses a batch and none of its deliveries");
    }
    const stored = await this.#store.storeBatch(examined, this.#deliveries.naming);
    if (stored !== undefined) this.#deliveries.deadLetters(shard, examined.deadLetters);
    return stored;
  }

  #committed(shard: number, from: Standing, last: Entry): void {
    const position = last.position;
    this.#standings.set(shard, { ...from, ...position });
    this.#hub.emit({ kind: "moved", shard, position });
    this.#trim(shard, position, last.content?.bytesIn);
  }

  /**
   * Housekeeping, which nobody waits for: what one trim misses, the next one does, at the latest after the slow poll.
   */
  #trim(shard: number, position: Position, bytesIn: number | undefined): void {
    this.#trimmed.delete(shard);
    this.#queue.trim(shard, position, bytesIn).then(
      () => this.#trimmed.add(shard),
      () => {},
    );
  }

  /** Nothing was changed: another worker holds the shard, or has moved it, or a producer has taken it up. */
  async #standElsewhere(shard: number, from: Standing): Promise<After> {
    const now = await this.#store.standing(shard);
    if (now === undefined) return { kind: "quiet" };
    this.#standings.set(shard, now);
    if (!isSameStanding(now, from)) return { kind: "again" };
    return { kind: "later", delayMs: Math.random() * 2 * CONTENDED_DELAY_MS };
  }

  /**
   * Nothing is committed from a Redis that is in another epoch than Postgres has issued, nor said to be missing there.
   * In an earlier one it has gone back, or is another Redis than the one that has the later epoch, to which a
   * connection may have stayed; whoever adds to it finds out. In a later one it is right, and Postgres has gone back.
   */
  async #standApart(shard: number, guess: Standing, head: Position): Promise<After> {
    const from = await this.#store.standing(shard);
    if (from === undefined) return { kind: "quiet" };
    this.#standings.set(shard, from);
    if (from.issuedEpoch !== guess.issuedEpoch) return { kind: "again" };
    if (head.epoch > from.issuedEpoch) this.#hub.emit({ kind: "ahead", shard });
    else this.#queue.link.readAnew();
    throw new QueueAway(`Redis is in epoch ${head.epoch} of the shard, Postgres has issued ${from.issuedEpoch}`);
  }

  /** Redis has counted deliveries that it no longer holds. Only a fresh position may say so. */
  async #skipGap(shard: number, guess: Standing, to: Position): Promise<After> {
    const from = await this.#store.standing(shard);
    if (from === undefined) return { kind: "quiet" };
    this.#standings.set(shard, from);
    if (!isSameStanding(from, guess)) return { kind: "again" };
    const lost = to.seq - from.seq;
    if (!(await this.#store.skipGap(shard, from, to))) return { kind: "again" };
    this.#standings.set(shard, { ...from, ...to });
    // Or Redis would count for ever what it lost, if that was the last of it.
    this.#trimmed.delete(shard);
    this.#log.error(
      { shard, epoch: to.epoch, after_seq: from.seq, through_seq: to.seq, lost },
      "Entries are missing in the stream",
    );
    this.#hub.emit({ kind: "moved", shard, position: to });
    return { kind: "again" };
  }

  #retryLater(shard: number, error: unknown): After {
    this.#standings.delete(shard);
    if (error instanceof TooSlow) {
      const limit = Math.max(1, Math.floor((this.#limits.get(shard) ?? BATCH_DELIVERIES_MAX) / 2));
      this.#limits.set(shard, limit);
    }
    const reason = error instanceof Error ? error.message : String(error);
    const last: IBackoffFactory<unknown> = this.#backoffs.get(shard) ?? RETRY_BACKOFF;
    const backoff = last.next(undefined);
    this.#backoffs.set(shard, backoff);
    if (!this.#stuck.has(shard)) {
      const isAway = error instanceof StoreAway || (error instanceof QueueAway && !(error instanceof ForeignQueue));
      this.#log[isAway || error instanceof TooSlow ? "warn" : "error"]({ shard, reason }, "Shard stuck, trying again");
    }
    const sinceMs = this.#stuck.get(shard)?.sinceMs ?? Date.now();
    this.#stuck.set(shard, { shard, reason, sinceMs, oldestAddedAtMs: this.#oldest.get(shard) || undefined });
    return { kind: "later", delayMs: backoff.duration };
  }
}

function isSameStanding(a: Standing, b: Standing): boolean {
  return a.epoch === b.epoch && a.seq === b.seq && a.fence === b.fence;
}

/** An entry that announces nothing credible is taken to begin where the shard stands. */
function firstSeqOf(entry: Entry, standsAtSeq: number): number {
  return entry.content === undefined ? standsAtSeq + 1 : entry.position.seq - entry.content.deliveries + 1;
}

/** The entries from the first one on that follow each other without a gap. */
function contiguous(entries: readonly Entry[], standsAtSeq: number): readonly Entry[] {
  let seq = standsAtSeq;
  const end = entries.findIndex((entry) => {
    if (firstSeqOf(entry, seq) > seq + 1) return true;
    seq = entry.position.seq;
    return false;
  });
  return end < 0 ? entries : entries.slice(0, end);
}

/** Undefined where an entry can't simply be taken as it is. */
function plainBatch(shard: number, from: Standing, entries: readonly Entry[], to: Position): Batch | undefined {
  const texts: string[] = [];
  let seq = from.seq;
  for (const { content, position } of entries) {
    if (content === undefined || position.seq - content.deliveries !== seq || isAfter(from, position)) return undefined;
    texts.push(content.text);
    seq = position.seq;
  }
  return {
    shard,
    from,
    to,
    text: texts.join(","),
    deliveries: seq - from.seq,
    seqs: undefined,
    deadLetters: [],
    entries,
  };
}
