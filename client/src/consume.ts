/**
 * Works for a durable subscription: the service remembers what is done, and shares the events among all who ask.
 *
 * Each event is seen at least once: one that is not acknowledged in time goes to the next, under another attempt. What
 * is in hand when the iteration ends, and was not given out, is returned to the service at once.
 */
import { addressOf, parseBase } from "./address.ts";
import { type Caller, call, type Fetch, globalFetch, type Key, readRefusal } from "./call.ts";
import { SubscriptionError } from "./errors.ts";
import { Outbox } from "./outbox.ts";
import type { EventRecord } from "./public-types.ts";
import { parseObject, tame } from "./reply.ts";
import { Delays, type GivenUp, pause, type Retried, type Retryable, type RetryBounds, untilAnswered } from "./retry.ts";

export interface ConsumeOptions {
  /** The aggregator, or a proxy in front of it, with the path below which it is found. */
  readonly url: string | URL;
  readonly key?: Key | undefined;
  /** The name of a subscription that is there. */
  readonly subscription: string;
  /** Events asked for at once: 100 unless given, 1,000 at most. Fewer where one takes long: their time runs. */
  readonly max?: number | undefined;
  /** How long the service may wait for the first event: 20 s unless given, 30 at most. */
  readonly waitS?: number | undefined;
  /** Aborting it ends the iteration, as if there were no more events. */
  readonly signal?: AbortSignal | undefined;
  /** 30 s for one try unless given, beside the time that the service may wait. */
  readonly requestTimeoutMs?: number | undefined;
  /** Of acknowledgements; asking for events goes on until it is ended. Half a minute unless given. */
  readonly retry?: Partial<RetryBounds> | undefined;
  readonly fetch?: Fetch | undefined;
  readonly onRetry?: ((retried: Retried) => void) | undefined;
}

export interface Leased {
  readonly event: EventRecord;
  /** How often it was handed out, this time included. */
  readonly attempt: number;
  /**
   * It is dealt with. Resolves to false where it had gone to somebody else meanwhile (or where an earlier try had
   * succeeded, and its reply was lost).
   *
   * @throws SubscriptionError (as a rejection) where no answer could be had: it may come again
   */
  ack(): Promise<boolean>;
  /** It is to be handed out again at once, to whoever asks. */
  nack(): Promise<boolean>;
}

const MAX_DEFAULT = 100;
const WAIT_S_DEFAULT = 20;
const REQUEST_TIMEOUT_MS_DEFAULT = 30_000;
const RETRY_DEFAULT: RetryBounds = {
  attemptsMax: Number.MAX_SAFE_INTEGER,
  elapsedMsMax: 30_000,
  delayMsInitial: 100,
  delayMsMax: 5000,
};
/** What one request names, and how long an answer may wait for others. */
const ANSWERS = { eventsMax: 1000, bytesMax: 128 * 1024, inFlightMax: 2, lingerMs: 5 };
/** Whoever stops need not wait for long: what is not returned comes free by itself. */
const RETURN_MS_MAX = 2000;

type Handed = { readonly ack_id: string; readonly delivery: number; readonly event: EventRecord };

/** @throws SubscriptionError, and TypeError where the address is none */
export async function* consume(options: ConsumeOptions): AsyncGenerator<Leased, void, undefined> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  if (options.signal?.aborted) end();
  options.signal?.addEventListener("abort", end, { once: true });
  const subscription = new Subscription(options);
  let inHand: readonly Handed[] = [];
  try {
    while (!stop.signal.aborted) {
      inHand = await subscription.next(stop.signal);
      while (inHand.length > 0 && !stop.signal.aborted) {
        const [first, ...rest] = inHand;
        inHand = rest;
        if (first !== undefined) yield subscription.lease(first);
      }
    }
  } finally {
    options.signal?.removeEventListener("abort", end);
    stop.abort();
    await subscription.giveBack(inHand);
  }
}

export interface ConsumerOptions extends ConsumeOptions {
  /** Events under work at once: 1 unless given. */
  readonly concurrency?: number | undefined;
  /**
   * The handler has thrown: the event is returned, after a wait that grows with each attempt. Or it has resolved, and
   * no answer to the acknowledgement could be had. The event may come again.
   */
  readonly onFailure?: ((error: unknown, leased: Leased) => void) | undefined;
}

/**
 * Calls `handler` with each event, and acknowledges it when that resolves. Resolves when `signal` is aborted and
 * nothing is under work.
 *
 * @throws SubscriptionError, when nothing is under work
 */
export async function runConsumer(
  options: ConsumerOptions,
  handler: (event: EventRecord, leased: Leased) => Promise<void> | void,
): Promise<void> {
  const stop = new AbortController();
  const end = (): void => stop.abort();
  if (options.signal?.aborted) end();
  options.signal?.addEventListener("abort", end, { once: true });
  const leases = consume({ ...options, signal: stop.signal });
  async function work(): Promise<void> {
    for (;;) {
      const { done, value: leased } = await leases.next();
      if (done) return;
      await handle(leased, handler, options, stop.signal);
    }
  }
  const workers = Array.from({ length: options.concurrency ?? 1 }, () => work().finally(end));
  const results = await Promise.allSettled(workers);
  await leases.return();
  options.signal?.removeEventListener("abort", end);
  const failed = results.find((result) => result.status === "rejected");
  if (failed !== undefined) throw failed.reason;
}

async function handle(
  leased: Leased,
  handler: (event: EventRecord, leased: Leased) => Promise<void> | void,
  options: ConsumerOptions,
  signal: AbortSignal,
): Promise<void> {
  try {
    await handler(leased.event, leased);
  } catch (error) {
    options.onFailure?.(error, leased);
    // Without a wait, an event that always fails would use up all its attempts within a moment.
    const { delayMsInitial, delayMsMax } = { ...RETRY_DEFAULT, ...options.retry };
    const delays = new Delays({ delayMsInitial: delayMsInitial * 2 ** (leased.attempt - 1), delayMsMax });
    await pause(delays.next(), signal);
    await leased.nack().catch(() => false);
    return;
  }
  // Without an answer the event comes again, which the handler must bear anyway.
  await leased.ack().catch((error: unknown) => options.onFailure?.(error, leased));
}

type Answered = {
  readonly kind: "answered";
  readonly status: number;
  readonly body: Readonly<Record<string, unknown>>;
};

/** What the answer counts. */
const DONE = { ack: "acknowledged", nack: "returned" } as const;

type Answer = {
  readonly textBytes: number;
  readonly id: string;
  readonly resolve: (isHeld: boolean) => void;
  readonly reject: (error: SubscriptionError) => void;
};

class Subscription {
  readonly #base: URL;
  readonly #path: string;
  readonly #options: ConsumeOptions;
  readonly #caller: Caller;
  readonly #bounds: RetryBounds;
  readonly #acks: Outbox<Answer>;
  readonly #nacks: Outbox<Answer>;

  constructor(options: ConsumeOptions) {
    this.#options = options;
    this.#base = parseBase(options.url);
    this.#path = `subscriptions/${encodeURIComponent(options.subscription)}`;
    const timeoutMs = options.requestTimeoutMs ?? REQUEST_TIMEOUT_MS_DEFAULT;
    this.#caller = { key: options.key, timeoutMs, fetch: options.fetch ?? globalFetch };
    this.#bounds = { ...RETRY_DEFAULT, ...options.retry };
    this.#acks = new Outbox(ANSWERS, (answers) => this.#answer("ack", answers));
    this.#nacks = new Outbox(ANSWERS, (answers) => this.#answer("nack", answers));
  }

  /** Asks until there is an answer. @returns nothing where nothing came in time, or `signal` was aborted */
  async next(signal: AbortSignal): Promise<readonly Handed[]> {
    const waitS = this.#options.waitS ?? WAIT_S_DEFAULT;
    const query = { max: String(this.#options.max ?? MAX_DEFAULT), wait: String(waitS) };
    const url = addressOf(this.#base, `${this.#path}/next`, query);
    const asking = { ...this.#bounds, attemptsMax: Number.MAX_SAFE_INTEGER, elapsedMsMax: Number.MAX_SAFE_INTEGER };
    const answer = await this.#ask({ method: "GET", url, patienceMs: waitS * 1000 }, asking, signal);
    if (answer.kind === "given_up") return [];
    const { events } = answer.body;
    if (!isHanded(events)) throw new SubscriptionError("refused", "the reply hands out no events", 200);
    return events;
  }

  lease({ ack_id: id, delivery, event }: Handed): Leased {
    return { event, attempt: delivery, ack: () => this.#push(this.#acks, id), nack: () => this.#push(this.#nacks, id) };
  }

  /** In one try, within a moment. */
  async giveBack(handed: readonly Handed[]): Promise<void> {
    if (handed.length === 0) return;
    const body = JSON.stringify({ ack_ids: handed.map(({ ack_id }) => ack_id) });
    const caller = { ...this.#caller, timeoutMs: RETURN_MS_MAX };
    const url = addressOf(this.#base, `${this.#path}/nack`);
    await call(caller, { method: "POST", url, body }, new AbortController().signal);
  }

  #push(outbox: Outbox<Answer>, id: string): Promise<boolean> {
    return new Promise((resolve, reject) => {
      outbox.push({ id, textBytes: id.length + 2, resolve, reject });
    });
  }

  async #answer(how: "ack" | "nack", answers: readonly Answer[]): Promise<void> {
    const body = JSON.stringify({ ack_ids: answers.map(({ id }) => id) });
    const url = addressOf(this.#base, `${this.#path}/${how}`);
    const never = new AbortController().signal;
    try {
      const answer = await this.#ask({ method: "POST", url, body }, this.#bounds, never);
      if (answer.kind === "given_up") throw new SubscriptionError("given_up", answer.reason, answer.status);
      const { stale, [DONE[how]]: done } = answer.body;
      if (typeof done !== "number" || !Array.isArray(stale)) {
        throw new SubscriptionError("refused", "the reply does not say what was dealt with", answer.status);
      }
      const gone = new Set(stale);
      for (const { id, resolve } of answers) resolve(!gone.has(id));
    } catch (error) {
      const reason =
        error instanceof SubscriptionError ? error : new SubscriptionError("given_up", String(error), undefined);
      for (const { reject } of answers) reject(reason);
    }
  }

  /** @throws SubscriptionError */
  async #ask(
    request: Parameters<typeof call>[1],
    bounds: RetryBounds,
    signal: AbortSignal,
  ): Promise<Answered | GivenUp> {
    const attempt = async () => {
      const answer = await call(this.#caller, request, signal);
      if ("kind" in answer) return answer;
      const { status, contentType } = answer;
      if (status !== 200) return throwIfFinal(readRefusal(answer));
      if (!contentType.toLowerCase().startsWith("application/json")) {
        const reason = `the reply is ${contentType || "of no type"}, not JSON: is this an aggregator?`;
        throw new SubscriptionError("refused", tame(reason), status);
      }
      const body = parseObject(answer.body);
      if (body !== undefined) return { kind: "answered", status, body } as const;
      return { kind: "retryable", status: 200, reason: "the reply is no whole JSON", retryAfterMs: 0 } as const;
    };
    return await untilAnswered(bounds, attempt, this.#options.onRetry ?? (() => {}), signal);
  }
}

/** No success is ever guessed: what says 200 may be anybody. */
function isHanded(events: unknown): events is readonly Handed[] {
  return Array.isArray(events) && events.every((each) => typeof (each as Partial<Handed> | null)?.ack_id === "string");
}

function throwIfFinal(refusal: SubscriptionError | Retryable): Retryable {
  if (refusal instanceof SubscriptionError) throw refusal;
  return refusal;
}
