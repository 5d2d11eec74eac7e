/**
 * Publishes events: in batches, again until they are acknowledged, in bounded memory.
 *
 * Each event gets its id and its time before it is first sent, and every try sends the same bytes, so a retry makes a
 * duplicate, which the aggregator drops, and never a second event. What is not acknowledged is reported: by the promise
 * of `publish`, or to `onUndelivered` for what was enqueued. Events of different batches may be stored in another order
 * than they were published in: readers order by `timestamp`.
 */
import { parseBase } from "./address.ts";
import { Buffer, type BufferBounds } from "./buffer.ts";
import type { Fetch, Key } from "./call.ts";
import { PublishError } from "./errors.ts";
import { Outbox } from "./outbox.ts";
import { type NewEvent, type Prepared, prepare } from "./prepare.ts";
import type { Acknowledgement, Verdict } from "./public-types.ts";
import type { Retried, RetryBounds } from "./retry.ts";
import { type Acknowledged, type Failure, type Settlement, settle } from "./settle.ts";
import { after } from "./timer.ts";
import { createTransport } from "./transport.ts";

export interface PublisherOptions {
  /** The aggregator, or a proxy in front of it, with the path below which it is found. */
  readonly url: string | URL;
  /** A key, or a function that gives the present one. It is sent as a bearer token, and never logged. */
  readonly key?: Key | undefined;
  /** The source of events that name none. */
  readonly source?: string | undefined;
  /** `queued` (unless given): acknowledged when on disk. `stored`: when committed, with a verdict on each. */
  readonly ack?: Acknowledgement | undefined;
  readonly batch?:
    | {
        /** 500 events unless given; the aggregator takes 10,000. */
        readonly eventsMax?: number;
        /** 1 MiB of body unless given; the aggregator takes 5. */
        readonly bytesMax?: number;
        /** 20 ms unless given: an incomplete batch waits so long for more. */
        readonly lingerMs?: number;
        /** 4 requests under way at once unless given. */
        readonly inFlightMax?: number;
      }
    | undefined;
  /** What it may hold that is not acknowledged yet: 10,000 events and 32 MiB unless given. */
  readonly buffer?:
    | (Partial<BufferBounds> & {
        /** `publish` waits for room (unless given), or rejects with `full` at once. `enqueue` never waits. */
        readonly whenFull?: "wait" | "reject";
      })
    | undefined;
  /** 30 s for one try unless given. */
  readonly requestTimeoutMs?: number | undefined;
  /** Unless given: for 2 minutes after the first try, waits of up to 100 ms at first, and up to 5 s at last. */
  readonly retry?: Partial<RetryBounds> | undefined;
  /** Aborting it closes the publisher at once. */
  readonly signal?: AbortSignal | undefined;
  /** What was enqueued and will not be delivered, and why. */
  readonly onUndelivered?: ((error: PublishError) => void) | undefined;
  readonly onRetry?: ((retried: Retried) => void) | undefined;
  /** Instead of the global one: for a proxy, a certificate, or HTTP/2 from an agent of your own. */
  readonly fetch?: Fetch | undefined;
}

/** An event is acknowledged. */
export type Receipt =
  | { readonly status: "queued"; readonly topic: string; readonly event_id: string }
  | {
      readonly status: "stored";
      readonly topic: string;
      readonly event_id: string;
      readonly verdict: Verdict;
    };

/** Sums since the publisher was made: accepted = acknowledged + undelivered + pending. */
export type PublisherCounts = {
  /** Events that were taken into the buffer. */
  readonly accepted: number;
  readonly acknowledged: number;
  readonly undelivered: number;
  readonly pending: number;
  readonly retries: number;
};

export type CloseReport = {
  /** Events that were not acknowledged when the time was up. Those that were sent may be stored all the same. */
  readonly undelivered: readonly PublishError[];
};

const RETRY_DEFAULT: RetryBounds = {
  attemptsMax: Number.MAX_SAFE_INTEGER,
  elapsedMsMax: 120_000,
  delayMsInitial: 100,
  delayMsMax: 5_000,
};
const BUFFER_DEFAULT: BufferBounds = { eventsMax: 10_000, bytesMax: 32 * 1024 * 1024 };
const BATCH_DEFAULT = { eventsMax: 500, bytesMax: 1024 * 1024, lingerMs: 20, inFlightMax: 4 };
const REQUEST_TIMEOUT_MS_DEFAULT = 30_000;
const CLOSE_TIMEOUT_MS_DEFAULT = 10_000;

type Pending = Prepared & {
  readonly receipt: Promise<Receipt>;
  resolve(receipt: Receipt): void;
  reject(error: PublishError): void;
};

export function createPublisher(options: PublisherOptions): Publisher {
  return new Publisher(options);
}

export class Publisher implements AsyncDisposable {
  readonly #source: string | undefined;
  readonly #ack: Acknowledgement;
  readonly #waitsWhenFull: boolean;
  readonly #onUndelivered: ((error: PublishError) => void) | undefined;
  readonly #buffer: Buffer;
  readonly #outbox: Outbox<Pending>;
  readonly #pending = new Set<Pending>();
  readonly #giveUp = new AbortController();
  readonly #counts = { accepted: 0, acknowledged: 0, undelivered: 0, retries: 0 };
  /** What has failed since the publisher was closed: at most what the buffer holds. */
  readonly #leftAtClose: PublishError[] = [];
  #isClosed = false;
  #closing: Promise<CloseReport> | undefined;

  /** @throws TypeError or RangeError where an option can't be */
  constructor(options: PublisherOptions) {
    this.#source = options.source;
    this.#ack = options.ack ?? "queued";
    this.#waitsWhenFull = options.buffer?.whenFull !== "reject";
    this.#onUndelivered = options.onUndelivered;
    const batch = { ...BATCH_DEFAULT, ...options.batch };
    const buffer = { ...BUFFER_DEFAULT, ...options.buffer };
    const retry = { ...RETRY_DEFAULT, ...options.retry };
    const requestTimeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS_DEFAULT;
    requireBounds(batch, { eventsMax: buffer.eventsMax, bytesMax: buffer.bytesMax }, retry, { requestTimeoutMs });
    this.#buffer = new Buffer(buffer);
    const transport = createTransport({
      target: parseBase(options.url),
      ack: this.#ack,
      requestTimeoutMs,
      retry,
      key: options.key,
      fetch: options.fetch,
      onRetry: (retried) => {
        this.#counts.retries += 1;
        tell(options.onRetry, retried);
      },
    });
    const settlement: Settlement<Pending> = {
      transport,
      signal: this.#giveUp.signal,
      acknowledged: (events, outcome) => this.#acknowledge(events, outcome),
      refused: (event, failure) => this.#fail(event, this.#errorOf(event, "refused", failure)),
      givenUp: (events, failure) => {
        for (const event of events) this.#fail(event, this.#errorOf(event, "given_up", failure));
      },
    };
    this.#outbox = new Outbox(batch, (events) => settle(events, settlement));
    this.#closeOn(options.signal);
  }

  get counts(): PublisherCounts {
    return { ...this.#counts, pending: this.#pending.size };
  }

  /**
   * Resolves when the event is acknowledged. The event is read at once: change or reuse the object as you like.
   *
   * @throws PublishError (as a rejection)
   */
  async publish(event: NewEvent): Promise<Receipt> {
    const prepared = this.#prepare(event);
    if (!this.#buffer.take(prepared.textBytes)) {
      const hasRoom = this.#waitsWhenFull && (await this.#buffer.wait(prepared.textBytes));
      // Both at once can be: room that came, and a publisher that was ended meanwhile.
      if (hasRoom && this.#giveUp.signal.aborted) this.#buffer.release(prepared.textBytes);
      if (this.#giveUp.signal.aborted) throw closed(prepared);
      if (!hasRoom) throw new PublishError("full", "the publisher's buffer is full", { prepared });
    }
    return await this.#accept(prepared).receipt;
  }

  /**
   * Fire and forget: returns at once, and reports to `onUndelivered` what will not be delivered.
   *
   * @returns whether it was taken. `await publisher.ready()` before it where the sender can wait.
   */
  enqueue(event: NewEvent): boolean {
    try {
      const prepared = this.#prepare(event);
      if (!this.#buffer.take(prepared.textBytes)) {
        throw new PublishError("full", "the publisher's buffer is full", { prepared });
      }
      this.#accept(prepared).receipt.catch((error: unknown) => this.#report(error));
      return true;
    } catch (error) {
      this.#report(error);
      return false;
    }
  }

  /** Resolves when there is room for an event of usual size, or the publisher is closed. */
  async ready(): Promise<void> {
    await this.#buffer.whenRoom();
  }

  /** Sends what waits without lingering, and resolves when all that was taken before this call is settled. */
  async flush(): Promise<void> {
    this.#outbox.hurry();
    await Promise.allSettled([...this.#pending].map(({ receipt }) => receipt));
  }

  /**
   * Takes nothing more, delivers what it can within the time, and then gives up the rest. Idempotent: the first call
   * counts. It leaves no timer and no request behind.
   */
  close({ timeoutMs = CLOSE_TIMEOUT_MS_DEFAULT }: { timeoutMs?: number } = {}): Promise<CloseReport> {
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #prepare(event: NewEvent): Prepared {
    let prepared: Prepared;
    try {
      prepared = prepare(event, this.#source);
    } catch (error) {
      const words = error instanceof Error ? error.message : String(error);
      throw new PublishError("refused", `the event can't be written as JSON: ${words}`);
    }
    if (this.#isClosed) throw closed(prepared);
    return prepared;
  }

  #accept(prepared: Prepared): Pending {
    let resolve: Pending["resolve"] = () => {};
    let reject: Pending["reject"] = () => {};
    const receipt = new Promise<Receipt>((...settle) => {
      [resolve, reject] = settle;
    });
    const pending: Pending = { ...prepared, receipt, resolve, reject };
    this.#counts.accepted += 1;
    this.#pending.add(pending);
    this.#outbox.push(pending);
    return pending;
  }

  #acknowledge(events: readonly Pending[], { results }: Acknowledged): void {
    this.#counts.acknowledged += events.length;
    for (const [index, event] of events.entries()) {
      this.#settle(event);
      const { topic, eventId: event_id } = event;
      const verdict = results?.[index];
      if (verdict === undefined) event.resolve({ status: "queued", topic, event_id });
      else event.resolve({ status: "stored", topic, event_id, verdict });
    }
  }

  #fail(event: Pending, error: PublishError): void {
    this.#counts.undelivered += 1;
    if (this.#isClosed) this.#leftAtClose.push(error);
    this.#settle(event);
    event.reject(error);
  }

  #settle(event: Pending): void {
    this.#pending.delete(event);
    this.#buffer.release(event.textBytes);
  }

  #errorOf(prepared: Prepared, usual: "refused" | "given_up", { status, reason }: Failure): PublishError {
    if (this.#giveUp.signal.aborted && status === undefined) return closed(prepared);
    const kind = status === 401 || status === 403 ? "unauthorized" : usual;
    return new PublishError(kind, reason, { status, prepared });
  }

  #report(error: unknown): void {
    if (error instanceof PublishError) tell(this.#onUndelivered, error);
  }

  async #close(timeoutMs: number): Promise<CloseReport> {
    this.#isClosed = true;
    const timer = after(Math.max(0, timeoutMs), () => this.#end());
    if (timeoutMs <= 0) this.#end();
    // Those who wait for room had published before: they come in while others leave.
    while (this.#buffer.events > 0) await this.flush();
    clearTimeout(timer);
    this.#end();
    return { undelivered: this.#leftAtClose };
  }

  /** Gives up what is under way and what waits. Idempotent. */
  #end(): void {
    this.#outbox.stop();
    this.#giveUp.abort();
    this.#buffer.close();
    for (const pending of this.#outbox.empty()) this.#fail(pending, closed(pending));
  }

  #closeOn(signal: AbortSignal | undefined): void {
    if (signal === undefined) return;
    const close = (): void => {
      void this.close({ timeoutMs: 0 });
      this.#end();
    };
    if (signal.aborted) close();
    else signal.addEventListener("abort", close, { once: true, signal: this.#giveUp.signal });
  }
}

function closed(prepared: Prepared): PublishError {
  return new PublishError("closed", "the publisher was closed before there was an acknowledgement", { prepared });
}

/** A callback that throws is a defect of the application's, to be heard by it, and not to break what called it. */
function tell<T>(callback: ((value: T) => void) | undefined, value: T): void {
  try {
    callback?.(value);
  } catch (error) {
    queueMicrotask(() => {
      throw error;
    });
  }
}

function requireBounds(...groups: readonly object[]): void {
  for (const [name, value] of groups.flatMap((group) => Object.entries(group))) {
    const least = name === "lingerMs" || name === "elapsedMsMax" ? 0 : 1;
    if (typeof value !== "number" || !(value >= least)) throw new RangeError(`${name} must be ${least} or more`);
  }
}
