/** Waiting for a store that is away, for those who have nothing better to do: streams stay open meanwhile. */
import { ExponentialBackoff, fullJitterGenerator, handleWhen, retry } from "cockatiel";
import type { Logger } from "../ops/log.ts";
import { StoreAway, TooSlow } from "../store/port.ts";

const isPassing = (error: unknown) => error instanceof StoreAway || error instanceof TooSlow;
/** Below P5's 15 s, so that a stream goes on well within them. */
const BACKOFF = { generator: fullJitterGenerator, initialDelay: 100, maxDelay: 3000 };

/** Tries until the store answers. @returns undefined when `gaveUp` was aborted meanwhile. */
export async function untilThere<T>(read: () => Promise<T>, gaveUp: AbortSignal, log: Logger): Promise<T | undefined> {
  const policy = retry(
    handleWhen((error) => isPassing(error) && !gaveUp.aborted),
    { maxAttempts: Number.MAX_SAFE_INTEGER, backoff: new ExponentialBackoff(BACKOFF) },
  );
  let failures = 0;
  const noted = policy.onFailure(({ reason }) => {
    failures += 1;
    if (failures > 1 || gaveUp.aborted) return;
    const error = "error" in reason ? reason.error : undefined;
    log.warn({ reason: String(error) }, "The feed can't be read, trying again");
  });
  try {
    const result = await policy.execute(read, gaveUp);
    if (failures > 0) log.info({ tries: failures + 1 }, "The feed can be read again");
    return result;
  } catch (error) {
    if (gaveUp.aborted) return undefined;
    throw error;
  } finally {
    noted.dispose();
  }
}
