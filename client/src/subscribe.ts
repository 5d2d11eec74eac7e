/**
 * Follows stored events: an iterable that goes on through every broken connection.
 *
 * It comes back with the last id, at first soon, then at most every five seconds, with full jitter, and gives each
 * event once. A stream that says nothing for three heartbeats is taken for dead. What no further try would change is
 * thrown: retention has taken what follows the id, or the service refuses the key, the pattern or the id.
 */
import { addressOf, parseBase } from "./address.ts";
import {
  ANSWER_BYTES_MAX,
  authorization,
  describeFailure,
  type Fetch,
  globalFetch,
  type Key,
  readBounded,
  readRefusal,
} from "./call.ts";
import { SubscriptionError } from "./errors.ts";
import { EventStream } from "./event-stream.ts";
import { Progress } from "./progress.ts";
import type { EventRecord } from "./public-types.ts";
import { Delays, pause, type Retryable, type RetryBounds } from "./retry.ts";

export interface SubscribeOptions {
  /** The aggregator, or a proxy in front of it, with the path below which it is found. */
  readonly url: string | URL;
  readonly key?: Key | undefined;
  /** A topic or a pattern (`user.*`, `user.>`); all topics unless given. */
  readonly topic?: string | undefined;
  /** `now` (unless given), `beginning`, a time of arrival, or an id: what follows it. */
  readonly from?: string | undefined;
  /** The `lastEventId` of an event that was dealt with; it outweighs `from`. */
  readonly lastEventId?: string | undefined;
  /** Aborting it ends the iteration, as if there were no more events. */
  readonly signal?: AbortSignal | undefined;
  /** 45 s unless given: three heartbeats. */
  readonly silenceMsMax?: number | undefined;
  /** Waits before coming back: up to what the service asks for (1 s) at first, up to 5 s at last, unless given. */
  readonly retry?: Partial<Pick<RetryBounds, "delayMsInitial" | "delayMsMax">> | undefined;
  readonly fetch?: Fetch | undefined;
  readonly onConnected?: (() => void) | undefined;
  /** The stream has ended, or none could be had; it comes back after so long. */
  readonly onDisconnected?: ((why: { readonly reason: string; readonly delayMs: number }) => void) | undefined;
}

export type Followed = {
  readonly event: EventRecord;
  /** The event as the service wrote it, JSON: numbers have all their digits. */
  readonly text: string;
  /**
   * Kept once the event is dealt with, it is where another subscription goes on: nothing is left out, and at most the
   * chunk in which the event came is given again.
   */
  readonly lastEventId: string;
};

const SILENCE_MS_MAX_DEFAULT = 45_000;
const CONNECT_MS_MAX = 30_000;
const RETRY_DEFAULT = { delayMsInitial: 1000, delayMsMax: 5000 };

/** @throws SubscriptionError, and TypeError where the address is none */
export async function* subscribe(options: SubscribeOptions): AsyncGenerator<Followed, void, undefined> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  if (options.signal?.aborted) end();
  options.signal?.addEventListener("abort", end, { once: true });
  const following = new Following(options);
  try {
    while (!stop.signal.aborted) {
      const why = yield* following.connection(stop.signal);
      if (stop.signal.aborted) return;
      const delayMs = why.retryAfterMs + following.delayMs();
      options.onDisconnected?.({ reason: why.reason, delayMs: Math.round(delayMs) });
      await pause(delayMs, stop.signal);
    }
  } finally {
    options.signal?.removeEventListener("abort", end);
    stop.abort();
  }
}

/** Why a connection has ended, or could not be had. */
type Disconnected = Pick<Retryable, "reason" | "retryAfterMs">;

class Following {
  readonly #options: SubscribeOptions;
  readonly #address: URL;
  readonly #progress: Progress;
  readonly #bounds: Pick<RetryBounds, "delayMsInitial" | "delayMsMax">;
  #delays: Delays;

  constructor(options: SubscribeOptions) {
    this.#options = options;
    const { topic, from } = options;
    const query = { ...(topic !== undefined && { topic }), ...(from !== undefined && { from }) };
    this.#address = addressOf(parseBase(options.url), "subscribe", query);
    this.#progress = new Progress(options.lastEventId ?? "");
    this.#bounds = { ...RETRY_DEFAULT, ...options.retry };
    this.#delays = new Delays(this.#bounds);
  }

  delayMs(): number {
    return this.#delays.next();
  }

  /** One connection, to its end. @throws SubscriptionError */
  async *connection(signal: AbortSignal): AsyncGenerator<Followed, Disconnected, undefined> {
    const connection = new AbortController();
    const close = (): void => connection.abort();
    signal.addEventListener("abort", close, { once: true });
    try {
      const stream = await this.#open(connection);
      if (!(stream instanceof EventStream)) return stream;
      this.#options.onConnected?.();
      return yield* this.#read(stream);
    } finally {
      signal.removeEventListener("abort", close);
      close();
    }
  }

  async #open(connection: AbortController): Promise<EventStream | Disconnected> {
    const timer = setTimeout(() => connection.abort(new Error("no reply")), CONNECT_MS_MAX);
    const { lastId } = this.#progress;
    try {
      const headers: Record<string, string> = {
        accept: "text/event-stream, application/problem+json",
        ...(await authorization(this.#options.key)),
        ...(lastId !== "" && { "last-event-id": lastId }),
      };
      const request = this.#options.fetch ?? globalFetch;
      const init = { headers, redirect: "manual", cache: "no-store", signal: connection.signal } as const;
      const response = await request(this.#address, init);
      return await readOpening(response, this.#options.silenceMsMax ?? SILENCE_MS_MAX_DEFAULT);
    } catch (error) {
      if (error instanceof SubscriptionError) throw error;
      const reason = `${this.#address.origin} can't be reached (${describeFailure(connection.signal, error)})`;
      return { reason, retryAfterMs: 0 };
    } finally {
      clearTimeout(timer);
    }
  }

  async *#read(stream: EventStream): AsyncGenerator<Followed, Disconnected, undefined> {
    const progress = this.#progress;
    progress.begin();
    for (;;) {
      const read = await stream.next();
      if ("reason" in read) return { reason: read.reason, retryAfterMs: 0 };
      // Something was heard: the next wait is a short one again.
      this.#delays.reset();
      for (const each of read) {
        if (each.kind === "retry") this.#heed(each.ms);
        else if (each.kind === "id") progress.moveTo(each.id);
        else {
          const { record, id } = each;
          if (progress.isNew(record)) yield followed(record, id ?? progress.lastId);
          progress.pass(record, id);
        }
      }
    }
  }

  /** The service says how long to wait before coming back; the caller's own word comes first. */
  #heed(ms: number): void {
    const { delayMsInitial = Math.min(ms, this.#bounds.delayMsMax) } = this.#options.retry ?? {};
    this.#delays = new Delays({ ...this.#bounds, delayMsInitial });
  }
}

/** @throws SubscriptionError */
async function readOpening(response: Response, silenceMsMax: number): Promise<EventStream | Disconnected> {
  const { status, headers, body } = response;
  const contentType = headers.get("content-type") ?? "";
  if (status === 200 && body !== null && contentType.toLowerCase().startsWith("text/event-stream")) {
    return new EventStream(body, silenceMsMax);
  }
  const text = await readBounded(response, ANSWER_BYTES_MAX);
  if (status === 200) {
    throw new SubscriptionError(
      "refused",
      `the reply is ${contentType || "of no type"}: is this an aggregator?`,
      status,
    );
  }
  const refusal = readRefusal({ status, contentType, retryAfter: headers.get("retry-after"), body: text });
  if (refusal instanceof SubscriptionError) throw refusal;
  return refusal;
}

function followed(text: string, lastEventId: string): Followed {
  let event: EventRecord | undefined;
  return {
    text,
    lastEventId,
    // Whoever carries the text on need not pay for parsing it.
    get event() {
      event ??= JSON.parse(text) as EventRecord;
      return event;
    },
  };
}
