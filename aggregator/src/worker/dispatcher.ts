/**
 * Which shard an idle loop should look at next: wake first, lock second.
 *
 * A shard is handed out when there is reason to believe that it has work: a signal, a loop that left some behind, or
 * the slow poll that compares heads with what was last committed. Without such a reason there are no transactions.
 * Shards are handed out in the order in which they became due, each to one loop of this process at a time.
 *
 *   quiet ──wake──▶ due ──next()──▶ held ──done(again | later)──▶ due | waiting ──time──▶ due
 *                                        └──done(quiet)──▶ quiet, or due if it was woken meanwhile
 */
export type After =
  | { readonly kind: "quiet" }
  | { readonly kind: "again" }
  | { readonly kind: "later"; readonly delayMs: number };

interface Slot {
  held: boolean;
  heldSinceMs: number;
  /** Woken while held: whoever holds it may already have read. */
  woken: boolean;
  timer: ReturnType<typeof setTimeout> | undefined;
}

/**
 * How long a due shard waits for a loop while another shard is being worked on, so that transactions fill: with one for
 * each handful of deliveries, starting and committing cost more than storing. Nothing waits in an idle process.
 *
 * Where transactions take longer than that, the wait is about as long as one of them: the busier the machine, the
 * fuller they are, and an event waits at most for about as long as storing it takes. It grows up to the stretch.
 */
const LINGER_MS = 10;
const LINGER_STRETCH_MAX = 2.5;
/** How much the newest of the transactions counts in their moving average. */
const NEWEST_WEIGHT = 0.125;

export class Dispatcher {
  readonly #lingerMs: number;
  readonly #slots = new Map<number, Slot>();
  /** Shards that wait for a loop, and since when, in the order in which they became due. */
  readonly #due = new Map<number, number>();
  readonly #loops: ((shard: number | undefined) => void)[] = [];
  #held = 0;
  /** How long a shard is held on average: about what a transaction takes. */
  #holdMs = 0;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(lingerMs = LINGER_MS) {
    this.#lingerMs = lingerMs;
  }

  get shards(): readonly number[] {
    return [...this.#slots.keys()];
  }

  /** Makes a shard known, and due. */
  wake(shard: number): void {
    if (this.#stopped) return;
    const slot = this.#slot(shard);
    if (slot.held) slot.woken = true;
    // A shard that waits after a failure is not hurried by new arrivals.
    else if (slot.timer === undefined) this.#makeDue(shard);
  }

  /** Waits for a shard; undefined when the dispatcher has stopped. */
  next(): Promise<number | undefined> {
    if (this.#stopped) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      this.#loops.push(resolve);
      this.#handOut();
    });
  }

  done(shard: number, after: After): void {
    const slot = this.#slot(shard);
    slot.held = false;
    this.#held -= 1;
    this.#holdMs += NEWEST_WEIGHT * (performance.now() - slot.heldSinceMs - this.#holdMs);
    const again = after.kind === "again" || (after.kind === "quiet" && slot.woken);
    slot.woken = false;
    if (this.#stopped) return;
    if (again) this.#makeDue(shard);
    else if (after.kind === "later") {
      slot.timer = setTimeout(() => {
        slot.timer = undefined;
        this.#makeDue(shard);
      }, after.delayMs);
    }
    this.#handOut();
  }

  /** Hands out nothing more and lets idle loops go. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
    for (const slot of this.#slots.values()) clearTimeout(slot.timer);
    for (const resolve of this.#loops.splice(0)) resolve(undefined);
  }

  #slot(shard: number): Slot {
    let slot = this.#slots.get(shard);
    if (slot === undefined) {
      slot = { held: false, heldSinceMs: 0, woken: false, timer: undefined };
      this.#slots.set(shard, slot);
    }
    return slot;
  }

  #makeDue(shard: number): void {
    if (this.#stopped || this.#due.has(shard)) return;
    this.#due.set(shard, performance.now());
    this.#handOut();
  }

  #handOut(): void {
    const nowMs = performance.now();
    const waitMs = Math.min(Math.max(this.#lingerMs, this.#holdMs), this.#lingerMs * LINGER_STRETCH_MAX);
    for (const [shard, since] of this.#due) {
      if (this.#loops.length === 0) return;
      const lingerMs = this.#held === 0 ? 0 : waitMs - (nowMs - since);
      if (lingerMs > 0) {
        this.#lookAgain(lingerMs);
        return;
      }
      this.#due.delete(shard);
      const slot = this.#slot(shard);
      slot.held = true;
      slot.heldSinceMs = nowMs;
      this.#held += 1;
      this.#loops.shift()?.(shard);
    }
  }

  #lookAgain(afterMs: number): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#handOut();
    }, afterMs);
  }
}
