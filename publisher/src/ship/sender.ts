/**
 * The client's outbox, for lines: whoever adds waits while all places are taken, and so reads no further. Memory is
 * bounded by `inFlightMax` + 1 batches, whatever the size of the file. When a batch can't be delivered the sender
 * halts, and takes nothing more.
 */
import { Outbox } from "@sekali/client/wire";
import { type DeliveryContext, deliver, type Halt } from "./delivery.ts";
import type { LineEvent } from "./line-event.ts";

export type BatchBounds = {
  readonly linesMax: number;
  /** Of the request's body. A line that is larger on its own travels alone. */
  readonly bytesMax: number;
  readonly inFlightMax: number;
  /** An incomplete batch goes after so long; undefined: with the end of the input. */
  readonly lingerMs?: number | undefined;
};

export class Sender {
  readonly #outbox: Outbox<LineEvent>;
  readonly #context: DeliveryContext;
  #halt: Halt;

  constructor({ linesMax, bytesMax, inFlightMax, lingerMs }: BatchBounds, context: DeliveryContext) {
    this.#context = context;
    this.#outbox = new Outbox({ eventsMax: linesMax, bytesMax, inFlightMax, lingerMs }, async (events) => {
      const halt = await deliver(events, context);
      this.#halt ??= halt;
      if (halt !== undefined) this.#outbox.stop();
    });
    if (context.deadline.aborted) this.#outbox.stop();
    context.deadline.addEventListener("abort", () => this.#outbox.stop(), { once: true });
  }

  /** Why nothing more is taken, or undefined. */
  get halt(): Halt {
    return this.#halt;
  }

  /** Resolves when there is room for the next. */
  async add(event: LineEvent): Promise<void> {
    this.#context.tally.read += 1;
    this.#outbox.push(event);
    while (this.#outbox.isFull && !this.#outbox.isStopped) await this.#outbox.moved();
  }

  /** Sends what has gathered and waits until nothing is under way. */
  async finish(): Promise<void> {
    await this.#outbox.drain();
    this.#context.tally.unsent += this.#outbox.empty().length;
  }
}
