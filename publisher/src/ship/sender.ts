/**
 * Gathers events into batches and keeps a few batches under way.
 *
 * Whoever adds waits while all places are taken, and so reads no further: memory is bounded by `inFlightMax` + 1
 * batches, whatever the size of the file. When a batch can't be delivered the sender halts, and takes nothing more.
 */
import { type DeliveryContext, deliver, type Halt } from "./delivery.ts";
import type { LineEvent } from "./line-event.ts";

export type BatchBounds = {
  readonly linesMax: number;
  /** Of the request's body. An event that is larger on its own travels alone. */
  readonly bytesMax: number;
  readonly inFlightMax: number;
};

/** The two brackets; the commas are counted with the events. */
const BRACKETS_BYTES = 2;
const COMMA_BYTES = 1;

export class Sender {
  readonly #bounds: BatchBounds;
  readonly #context: DeliveryContext;
  readonly #inFlight = new Set<Promise<void>>();
  #batch: LineEvent[] = [];
  #batchBytes = BRACKETS_BYTES;
  #halt: Halt;

  constructor(bounds: BatchBounds, context: DeliveryContext) {
    this.#bounds = bounds;
    this.#context = context;
  }

  /** Why nothing more is taken, or undefined. */
  get halt(): Halt {
    return this.#halt;
  }

  /** Resolves when there is room for the next. */
  async add(event: LineEvent): Promise<void> {
    this.#context.tally.read += 1;
    const isOverfull = this.#batchBytes + event.textBytes + COMMA_BYTES > this.#bounds.bytesMax;
    if (isOverfull) await this.#flush();
    this.#batch.push(event);
    this.#batchBytes += event.textBytes + COMMA_BYTES;
    if (this.#batch.length >= this.#bounds.linesMax) await this.#flush();
  }

  /** Sends what has gathered, unless all places are taken: then it gathers on, and goes when it is full. */
  flushIfFree(): void {
    if (this.#inFlight.size < this.#bounds.inFlightMax) this.#send();
  }

  /** Sends what has gathered and waits until nothing is under way. */
  async finish(): Promise<void> {
    await this.#flush();
    await Promise.all(this.#inFlight);
    this.#context.tally.unsent += this.#batch.length;
    this.#batch = [];
  }

  async #flush(): Promise<void> {
    while (this.#inFlight.size >= this.#bounds.inFlightMax) await Promise.race(this.#inFlight);
    this.#send();
  }

  #send(): void {
    if (this.#batch.length === 0 || this.#halt !== undefined || this.#context.deadline.aborted) return;
    const batch = this.#batch;
    this.#batch = [];
    this.#batchBytes = BRACKETS_BYTES;
    const delivery = deliver(batch, this.#context).then((halt) => {
      this.#halt ??= halt;
      this.#inFlight.delete(delivery);
    });
    this.#inFlight.add(delivery);
  }
}
