/**
 * Doing something again until it is answered for good, within bounds.
 *
 * Waits grow exponentially with full jitter, so that clients that lost the same service don't come back all at once:
 * https://aws.amazon.com/builders-library/timeouts-retries-and-backoff-with-jitter/
 */
import { ExponentialBackoff, fullJitterGenerator, type IBackoff } from "cockatiel";
import { after } from "./timer.ts";

export type RetryBounds = {
  readonly attemptsMax: number;
  /** No attempt begins later than this after the first one. */
  readonly elapsedMsMax: number;
  readonly delayMsInitial: number;
  readonly delayMsMax: number;
};

/** The same may succeed later. Whether it was done is unknown, so it must be safe to do again. */
export type Retryable = {
  readonly kind: "retryable";
  readonly status: number | undefined;
  readonly reason: string;
  readonly retryAfterMs: number;
};

/** The bounds are reached, or a signal ended it; this is the last reason why there was no answer. */
export type GivenUp = { readonly kind: "given_up"; readonly status: number | undefined; readonly reason: string };

export type Retried = {
  readonly attempt: number;
  readonly delayMs: number;
  readonly status: number | undefined;
  readonly reason: string;
};

/** Rejects only where `attempt` does. */
export async function untilAnswered<T extends { readonly kind: string }>(
  bounds: RetryBounds,
  attempt: () => Promise<T | Retryable>,
  onRetry: (retried: Retried) => void,
  signal: AbortSignal,
): Promise<T | GivenUp> {
  const startedAt = performance.now();
  const delays = new Delays(bounds);
  for (let number = 1; ; number += 1) {
    const reply = await attempt();
    if (!isRetryable(reply)) return reply;
    const { status, reason, retryAfterMs } = reply;
    const remainingMs = bounds.elapsedMsMax - (performance.now() - startedAt);
    // Where the service asks for more patience than is left, waiting for it would be in vain.
    if (signal.aborted || number >= bounds.attemptsMax || retryAfterMs >= remainingMs) {
      return { kind: "given_up", status, reason };
    }
    // Jitter comes on top of Retry-After: everybody was told the same number.
    const delayMs = Math.min(retryAfterMs + delays.next(), remainingMs);
    onRetry({ attempt: number, delayMs: Math.round(delayMs), status, reason });
    await pause(delayMs, signal);
    if (signal.aborted) return { kind: "given_up", status: undefined, reason: STOPPED };
  }
}

export const STOPPED = "stopped";

/** How long to wait before each further try. */
export class Delays {
  readonly #bounds: Pick<RetryBounds, "delayMsInitial" | "delayMsMax">;
  #state: IBackoff<unknown> | undefined;

  constructor(bounds: Pick<RetryBounds, "delayMsInitial" | "delayMsMax">) {
    this.#bounds = bounds;
  }

  /** Milliseconds. */
  next(): number {
    const { delayMsInitial: initialDelay, delayMsMax: maxDelay } = this.#bounds;
    const begin = (): IBackoff<unknown> =>
      new ExponentialBackoff({ generator: fullJitterGenerator, initialDelay, maxDelay }).next();
    this.#state = this.#state === undefined ? begin() : this.#state.next(undefined);
    return this.#state.duration;
  }

  /** After a success: the next wait is a short one again. */
  reset(): void {
    this.#state = undefined;
  }
}

/** Resolves after `ms`, or as soon as `signal` aborts. It leaves no timer behind that would keep a process alive. */
export function pause(ms: number, signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const finish = (): void => {
      clearTimeout(timer);
      signal.removeEventListener("abort", finish);
      resolve();
    };
    const timer = after(ms, finish);
    signal.addEventListener("abort", finish, { once: true });
  });
}

function isRetryable(reply: { readonly kind: string }): reply is Retryable {
  return reply.kind === "retryable";
}
