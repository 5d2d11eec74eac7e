/**
 * One request to the aggregator, sent until it is answered for good.
 *
 * Owns: the HTTP call, its time-outs, and the decision to send the same bytes again. The body is made once, so each
 * retry carries the same event_id and the same content, and the aggregator can tell that it is the same event.
 * Promises: every call ends, in one of three ways, within the bounds of `RetryBounds` or when `signal` aborts.
 * Retries back off exponentially with full jitter, so that publishers that lost the same aggregator don't come back all
 * at once: https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 */
import {
  DelegateBackoff,
  ExponentialBackoff,
  fullJitterGenerator,
  handleWhenResult,
  type IBackoff,
  retry,
} from "cockatiel";
import { type Acknowledgement, type Reply, readReply } from "./reply.ts";

export type RetryBounds = {
  readonly attemptsMax: number;
  /** No attempt begins later than this after the first one. */
  readonly elapsedMsMax: number;
  readonly delayMsInitial: number;
  readonly delayMsMax: number;
};

/** What a request came to: a final reply, or the last reason why there was none. */
export type Outcome =
  | Exclude<Reply, { kind: "retryable" }>
  | { readonly kind: "given_up"; readonly status: number | undefined; readonly reason: string };

export type Retried = {
  readonly attempt: number;
  readonly delayMs: number;
  readonly status: number | undefined;
  readonly reason: string;
};

export type ClientOptions = {
  /** The aggregator's base address; `publish` is appended to its path. */
  readonly target: URL;
  readonly ack: Acknowledgement;
  readonly requestTimeoutMs: number;
  readonly retry: RetryBounds;
  readonly onRetry: (retried: Retried) => void;
};

export type Client = {
  /** Sends `body`, the JSON text of `count` events. Never rejects. */
  publish(body: string, count: number, signal: AbortSignal): Promise<Outcome>;
  /** Whether anything at the target has ever answered, be it with an error. */
  hasAnswered(): boolean;
};

/** Far more than 10,000 verdicts take. */
const REPLY_BYTES_MAX = 4 * 1024 * 1024;

export function createClient(options: ClientOptions): Client {
  const url = publishUrl(options.target, options.ack);
  let answered = false;

  async function attempt(body: string, count: number, signal: AbortSignal): Promise<Reply> {
    const call = new AbortController();
    const cancel = (): void => call.abort(new Error("stopped"));
    const timer = setTimeout(
      () => call.abort(new Error(`no reply within ${options.requestTimeoutMs} ms`)),
      options.requestTimeoutMs,
    );
    signal.addEventListener("abort", cancel, { once: true });
    try {
      signal.throwIfAborted();
      const response = await fetch(url, {
        method: "POST",
        headers: { "content-type": "application/json", accept: "application/json, application/problem+json" },
        body,
        // A redirected POST arrives as a GET without a body, and would be answered with a cheerful 200.
        redirect: "manual",
        signal: call.signal,
      });
      answered = true;
      const answer = {
        status: response.status,
        contentType: response.headers.get("content-type") ?? "",
        retryAfter: response.headers.get("retry-after"),
        body: await readBounded(response, REPLY_BYTES_MAX),
      };
      return readReply(answer, { ack: options.ack, count }, Date.now());
    } catch (error) {
      return { kind: "retryable", status: undefined, reason: describe(call.signal, error), retryAfterMs: 0 };
    } finally {
      clearTimeout(timer);
      signal.removeEventListener("abort", cancel);
    }
  }

  async function publish(body: string, count: number, signal: AbortSignal): Promise<Outcome> {
    const policy = retryPolicy(options);
    const reply = await settleOnAbort(
      policy.execute(() => attempt(body, count, signal), signal),
      signal,
    );
    if (reply.kind !== "retryable") return reply;
    return { kind: "given_up", status: reply.status, reason: reply.reason };
  }

  return { publish, hasAnswered: () => answered };
}

/** One policy for one call, because the time that is left belongs to the call. */
function retryPolicy(options: ClientOptions) {
  const { attemptsMax, elapsedMsMax, delayMsInitial, delayMsMax } = options.retry;
  const startedAt = performance.now();
  const remainingMs = (): number => elapsedMsMax - (performance.now() - startedAt);
  const schedule = new ExponentialBackoff({
    generator: fullJitterGenerator,
    initialDelay: delayMsInitial,
    maxDelay: delayMsMax,
  });
  // Jitter comes on top of Retry-After: everybody was told the same number.
  const backoff = new DelegateBackoff<{ result: unknown }, IBackoff<unknown>>((context, previous) => {
    const state = previous === undefined ? schedule.next() : previous.next(undefined);
    const delay = Math.min(retryAfterMs(context.result) + state.duration, Math.max(0, remainingMs()));
    return { delay, state };
  });
  // Where the aggregator asks for more patience than is left, waiting for it would be in vain.
  const isWorthRetrying = (value: unknown): boolean => isRetryable(value) && value.retryAfterMs < remainingMs();
  const policy = retry(handleWhenResult(isWorthRetrying), { maxAttempts: attemptsMax - 1, backoff });
  policy.onRetry((event) => {
    const reply = "value" in event ? event.value : undefined;
    if (!isRetryable(reply)) return;
    options.onRetry({
      attempt: event.attempt,
      delayMs: Math.round(event.delay),
      status: reply.status,
      reason: reply.reason,
    });
  });
  return policy;
}

type RetryableReply = Extract<Reply, { kind: "retryable" }>;

function isRetryable(value: unknown): value is RetryableReply {
  return typeof value === "object" && value !== null && (value as { kind?: unknown }).kind === "retryable";
}

function retryAfterMs(result: unknown): number {
  const value = typeof result === "object" && result !== null && "value" in result ? result.value : undefined;
  return isRetryable(value) ? value.retryAfterMs : 0;
}

/** The policy sleeps between attempts without listening to the signal; this answers at once. */
function settleOnAbort(running: Promise<Reply>, signal: AbortSignal): Promise<Reply> {
  return new Promise((resolve, reject) => {
    const stop = (): void => resolve({ kind: "retryable", status: undefined, reason: "stopped", retryAfterMs: 0 });
    if (signal.aborted) return stop();
    signal.addEventListener("abort", stop, { once: true });
    running.then(resolve, reject).finally(() => signal.removeEventListener("abort", stop));
  });
}

export function publishUrl(target: URL, ack: Acknowledgement): URL {
  const base = new URL(target);
  if (!base.pathname.endsWith("/")) base.pathname += "/";
  base.search = "";
  base.hash = "";
  const url = new URL("publish", base);
  if (ack === "stored") url.searchParams.set("ack", "stored");
  return url;
}

async function readBounded(response: Response, bytesMax: number): Promise<string> {
  const announced = Number(response.headers.get("content-length") ?? Number.NaN);
  if (announced <= bytesMax) return await response.text();
  if (response.body === null) return "";
  const decoder = new TextDecoder();
  let text = "";
  let bytes = 0;
  for await (const chunk of response.body) {
    bytes += chunk.byteLength;
    if (bytes > bytesMax) throw new Error(`the reply is longer than ${bytesMax} bytes`);
    text += decoder.decode(chunk, { stream: true });
  }
  return text + decoder.decode();
}

function describe(signal: AbortSignal, error: unknown): string {
  const cause: unknown = signal.aborted ? signal.reason : error;
  if (!(cause instanceof Error)) return "the request failed";
  const code = (cause as { code?: unknown }).code;
  return typeof code === "string" && !cause.message.includes(code) ? `${code}: ${cause.message}` : cause.message;
}
