/**
 * One publish request, sent until it is answered for good.
 *
 * The body is made once, by whoever calls, so each retry carries the same event_id and the same content, and the
 * aggregator can tell that it is the same event.
 * Promises: every call ends, in one of three ways, within the bounds of `RetryBounds` or when `signal` aborts.
 */
import { addressOf } from "./address.ts";
import { type Caller, call, type Fetch, globalFetch, type Key } from "./call.ts";
import type { Acknowledgement } from "./public-types.ts";
import { type Reply, readReply } from "./reply.ts";
import { type GivenUp, type Retried, type RetryBounds, untilAnswered } from "./retry.ts";

/** What a request came to: a final reply, or the last reason why there was none. */
export type Outcome = Exclude<Reply, { kind: "retryable" }> | GivenUp;

export type TransportOptions = {
  /** The aggregator's base address; `publish` is appended to its path. */
  readonly target: URL;
  readonly ack: Acknowledgement;
  readonly requestTimeoutMs: number;
  readonly retry: RetryBounds;
  readonly key?: Key | undefined;
  readonly fetch?: Fetch | undefined;
  readonly onRetry: (retried: Retried) => void;
};

export type Transport = {
  /** Sends `body`, the JSON text of `count` events. Never rejects. */
  publish(body: string, count: number, signal: AbortSignal): Promise<Outcome>;
  /** Whether anything at the target has ever answered, be it with an error. */
  hasAnswered(): boolean;
};

export function createTransport(options: TransportOptions): Transport {
  const url = publishUrl(options.target, options.ack);
  const { key, requestTimeoutMs: timeoutMs } = options;
  let answered = false;
  const caller: Caller = {
    key,
    timeoutMs,
    fetch: options.fetch ?? globalFetch,
    onResponse: () => {
      answered = true;
    },
  };

  async function attempt(body: string, count: number, signal: AbortSignal): Promise<Reply> {
    const answer = await call(caller, { method: "POST", url, body }, signal);
    if ("kind" in answer) return answer;
    return readReply(answer, { ack: options.ack, count }, Date.now());
  }

  return {
    publish: async (body, count, signal) =>
      await untilAnswered<Outcome>(options.retry, () => attempt(body, count, signal), options.onRetry, signal),
    hasAnswered: () => answered,
  };
}

export function publishUrl(target: URL, ack: Acknowledgement): URL {
  return addressOf(target, "publish", ack === "stored" ? { ack } : {});
}
