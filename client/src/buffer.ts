/**
 * How much a publisher may hold, in events and bytes, and who waits for room: first come, first served. Those who wait
 * hold their event too, so they are bounded by the same numbers once more.
 */
export type BufferBounds = { readonly eventsMax: number; readonly bytesMax: number };

type Waiter = { readonly bytes: number; readonly events: number; readonly settle: (isIn: boolean) => void };

export class Buffer {
  readonly #bounds: BufferBounds;
  #events = 0;
  #bytes = 0;
  #waiters: Waiter[] = [];
  #waitingBytes = 0;

  constructor(bounds: BufferBounds) {
    this.#bounds = bounds;
  }

  get events(): number {
    return this.#events;
  }

  /** Takes room for one event, or says that there is none. Whoever waits already comes first. */
  take(bytes: number): boolean {
    if (this.#waiters.length > 0 || !this.#fits(bytes)) return false;
    this.#events += 1;
    this.#bytes += bytes;
    return true;
  }

  /** Resolves to true when there was room and it is taken; to false where too many wait already, or it is closed. */
  wait(bytes: number): Promise<boolean> {
    return this.#join({ bytes, events: 1 });
  }

  /** Resolves when there is room for an event of usual size. Takes none. */
  async whenRoom(): Promise<void> {
    if (this.#waiters.length === 0 && this.#fits(0)) return;
    await this.#join({ bytes: 0, events: 0 });
  }

  release(bytes: number): void {
    this.#events -= 1;
    this.#bytes -= bytes;
    this.#admit();
  }

  /** Nobody waits any more. */
  close(): void {
    for (const { settle } of this.#waiters.splice(0)) settle(false);
    this.#waitingBytes = 0;
  }

  /** An event that is larger than the whole buffer has it for itself. */
  #fits(bytes: number): boolean {
    if (this.#events === 0) return true;
    return this.#events < this.#bounds.eventsMax && this.#bytes + bytes <= this.#bounds.bytesMax;
  }

  #join(asked: { readonly bytes: number; readonly events: number }): Promise<boolean> {
    const isTooMuch = this.#waitingBytes + asked.bytes > this.#bounds.bytesMax && this.#waiters.length > 0;
    if (isTooMuch || this.#waiters.length >= this.#bounds.eventsMax) return Promise.resolve(false);
    this.#waitingBytes += asked.bytes;
    return new Promise((settle) => {
      this.#waiters.push({ ...asked, settle });
      this.#admit();
    });
  }

  #admit(): void {
    for (;;) {
      const [first] = this.#waiters;
      if (first === undefined || !this.#fits(first.bytes)) return;
      this.#waiters.shift();
      this.#waitingBytes -= first.bytes;
      this.#events += first.events;
      this.#bytes += first.bytes;
      first.settle(true);
    }
  }
}
