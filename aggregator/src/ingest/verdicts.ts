/**
 * Waits until deliveries are committed, and tells what became of each (`?ack=stored`).
 *
 * The wait ends when the shard's position has passed the request's last delivery. A worker of this process says so
 * directly, one of another process through Redis; because signals are hints, the positions of shards that somebody
 * waits for are also polled. The verdict itself is worked out from Postgres alone, so any process can do it after any
 * crash.
 */
import type { Identified, StoredVerdict } from "@sekali/contract";
import { isAfter, type Position } from "../queue/port.ts";
import type { SignalHub } from "../queue/signal-hub.ts";
import { type ShardStore, StoreAway } from "../store/port.ts";
import type { Receipt } from "./batcher.ts";

const POLL_INTERVAL_MS = 250;

/** The deliveries are in the queue, or were; what became of them is not known in time. */
export class OutcomeUnknown extends Error {
  override readonly name = "OutcomeUnknown";
}

interface Waiter {
  readonly receipt: Receipt;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

export class Verdicts {
  readonly #store: ShardStore;
  readonly #waiters = new Set<Waiter>();
  /** The last position heard of; a commit can be quicker than the answer that makes its delivery known here. */
  readonly #latest = new Map<number, Position>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #polling = false;

  constructor(store: ShardStore, hub: SignalHub) {
    this.#store = store;
    hub.on((signal) => {
      if (signal.kind !== "moved") return;
      this.#latest.set(signal.shard, signal.position);
      this.#release(signal.shard, signal.position);
    });
  }

  /** @param deadlineMs how long to wait for the commit, and how long for the answer about it. */
  async of(receipt: Receipt, events: readonly Identified[], deadlineMs: number): Promise<readonly StoredVerdict[]> {
    await this.#passed(receipt, deadlineMs);
    const verdicts = await this.#store
      .verdicts({ shard: receipt.shard, epoch: receipt.epoch, firstSeq: receipt.firstSeq, identities: events })
      .catch((error: unknown) => {
        throw error instanceof StoreAway ? new OutcomeUnknown("Postgres is away") : error;
      });
    return verdicts.map((verdict) => {
      if (verdict === undefined) throw new OutcomeUnknown("the delivery is neither stored nor refused");
      return verdict;
    });
  }

  /** Ends all waits; for a process that is about to stop. */
  giveUp(): void {
    for (const waiter of this.#waiters) waiter.reject(new OutcomeUnknown("the service stops"));
  }

  async #passed(receipt: Receipt, deadlineMs: number): Promise<void> {
    const latest = this.#latest.get(receipt.shard);
    if (latest !== undefined && hasPassed(latest, receipt)) return;
    await new Promise<void>((resolve, reject) => {
      const end = (settle: () => void) => {
        clearTimeout(timer);
        this.#forget(waiter);
        settle();
      };
      const waiter: Waiter = {
        receipt,
        resolve: () => end(resolve),
        reject: (error) => end(() => reject(error)),
      };
      const timer = setTimeout(() => {
        waiter.reject(new OutcomeUnknown(`the delivery was not committed within ${deadlineMs} ms`));
      }, deadlineMs);
      this.#waiters.add(waiter);
      this.#timer ??= setInterval(() => void this.#poll(), POLL_INTERVAL_MS);
    });
  }

  #forget(waiter: Waiter): void {
    this.#waiters.delete(waiter);
    if (this.#waiters.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #release(shard: number, position: Position): void {
    for (const waiter of this.#waiters) {
      if (waiter.receipt.shard === shard && hasPassed(position, waiter.receipt)) waiter.resolve();
    }
  }

  async #poll(): Promise<void> {
    if (this.#polling) return;
    this.#polling = true;
    try {
      const shards = [...new Set([...this.#waiters].map((waiter) => waiter.receipt.shard))];
      for (const [shard, position] of await this.#store.positions(shards)) this.#release(shard, position);
    } catch {
      // Postgres is away; the waiters have their own deadline.
    } finally {
      this.#polling = false;
    }
  }
}

/** A position in a later epoch has passed, too: whatever of the older one survived has been committed by then. */
function hasPassed(position: Position, { epoch, lastSeq }: Receipt): boolean {
  return !isAfter({ epoch, seq: lastSeq }, position);
}
