/**
 * Waiting for a state, with a bound. A test never waits for a time: it says what must become true, and by when.
 */

const POLL_MS = 25;

export interface Bound {
  /** Milliseconds after which the wait fails. */
  readonly within?: number;
  /** What was waited for, for the message of a failure. */
  readonly what?: string;
}

/** Repeats `check` until it stops throwing and gives its value; fails with its last error when the bound has passed. */
export async function eventually<T>(check: () => T | Promise<T>, { within = 15_000, what }: Bound = {}): Promise<T> {
  const deadline = performance.now() + within;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (performance.now() >= deadline) {
        const reason = error instanceof Error ? error.message : String(error);
        throw new Error(`${what ?? "the awaited state"} did not come within ${within} ms: ${reason}`, { cause: error });
      }
    }
    await Bun.sleep(POLL_MS);
  }
}

/** Gives the promise's value, or fails when it has not settled in time. */
export async function within<T>(promise: Promise<T>, milliseconds: number, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`${what} did not happen within ${milliseconds} ms`)), milliseconds);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
