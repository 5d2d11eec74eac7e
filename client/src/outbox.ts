/**
 * Gathers events into batches and keeps a few batches under way.
 *
 * A batch goes when it is full, or when its oldest event has lingered long enough, as soon as a place is free. The
 * outbox itself refuses nothing: whoever pushes looks at `isFull`, or keeps bounds of their own.
 */
import { after } from "./timer.ts";

export type OutboxBounds = {
  readonly eventsMax: number;
  /** Of the request's body. An event that is larger on its own travels alone. */
  readonly bytesMax: number;
  readonly inFlightMax: number;
  /** An incomplete batch goes after so long; undefined: only when it is full, or hurried. */
  readonly lingerMs: number | undefined;
};

/** The two brackets; the commas are counted with the events. */
const BRACKETS_BYTES = 2;
const COMMA_BYTES = 1;

export class Outbox<T extends { readonly textBytes: number }> {
  readonly #bounds: OutboxBounds;
  readonly #deliver: (events: readonly T[]) => Promise<unknown>;
  readonly #inFlight = new Set<Promise<unknown>>();
  #waiting: T[] = [];
  #waitingBytes = BRACKETS_BYTES;
  /** So many of those that wait have waited long enough. */
  #due = 0;
  #linger: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  /** @param deliver settles a batch, for good; it must not reject */
  constructor(bounds: OutboxBounds, deliver: (events: readonly T[]) => Promise<unknown>) {
    this.#bounds = bounds;
    this.#deliver = deliver;
  }

  /** A whole batch waits, because all places are taken. */
  get isFull(): boolean {
    return this.#waiting.length >= this.#bounds.eventsMax || this.#waitingBytes > this.#bounds.bytesMax;
  }

  get isStopped(): boolean {
    return this.#stopped;
  }

  push(event: T): void {
    this.#waiting.push(event);
    this.#waitingBytes += event.textBytes + COMMA_BYTES;
    this.#dispatch();
  }

  /** What waits now goes as soon as there are places for it, complete or not. */
  hurry(): void {
    this.#due = this.#waiting.length;
    this.#dispatch();
  }

  /** Resolves when a batch has come to its end, or at once where none is under way. */
  async moved(): Promise<void> {
    await Promise.race(this.#inFlight.size === 0 ? [undefined] : this.#inFlight);
  }

  /** Resolves when nothing waits or is under way, or when it is stopped and nothing is under way. */
  async drain(): Promise<void> {
    this.hurry();
    while (this.#inFlight.size > 0) {
      await Promise.all(this.#inFlight);
      this.hurry();
    }
  }

  /** Begins nothing more. What is under way goes on. */
  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#linger);
  }

  /** Takes out what waits, and so will not be sent. */
  empty(): T[] {
    const left = this.#waiting;
    this.#waiting = [];
    this.#waitingBytes = BRACKETS_BYTES;
    this.#due = 0;
    return left;
  }

  #dispatch(): void {
    if (this.#stopped) return;
    while (this.#inFlight.size < this.#bounds.inFlightMax && (this.isFull || this.#due > 0)) this.#send();
    if (this.#waiting.length > 0 && this.#due === 0) this.#awaitLinger();
  }

  #send(): void {
    const batch = this.#takeBatch();
    clearTimeout(this.#linger);
    this.#linger = undefined;
    const delivery = this.#deliver(batch).finally(() => {
      this.#inFlight.delete(delivery);
      this.#dispatch();
    });
    this.#inFlight.add(delivery);
  }

  #takeBatch(): T[] {
    const { eventsMax, bytesMax } = this.#bounds;
    let count = 0;
    let bytes = BRACKETS_BYTES;
    for (const { textBytes } of this.#waiting) {
      const isTooMuch = count === eventsMax || bytes + textBytes + COMMA_BYTES > bytesMax;
      if (isTooMuch && count > 0) break;
      count += 1;
      bytes += textBytes + COMMA_BYTES;
    }
    this.#waitingBytes -= bytes - BRACKETS_BYTES;
    this.#due = Math.max(0, this.#due - count);
    return this.#waiting.splice(0, count);
  }

  #awaitLinger(): void {
    const { lingerMs } = this.#bounds;
    if (lingerMs === undefined || this.#linger !== undefined) return;
    this.#linger = after(lingerMs, () => {
      this.#linger = undefined;
      this.hurry();
    });
  }
}
