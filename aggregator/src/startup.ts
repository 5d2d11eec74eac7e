/** Waiting for a dependency at start: tries 2 s apart at first, then backing off, each logged, up to a limit. */
import { DelegateBackoff, handleWhen, retry } from "cockatiel";
import type { Logger } from "./ops/log.ts";
import { QueueAway } from "./queue/port.ts";
import { StoreAway, StoreForbidden } from "./store/port.ts";

const FIRST_DELAY_MS = 2000;
/** With the start itself, well within the 15 s of P5 after the dependency has come back. */
const DELAY_MS_MAX = 5_000;
const GROWTH = 1.5;

export class DependencyMissing extends Error {
  override readonly name = "DependencyMissing";
}

/** @throws DependencyMissing after the time-out; whatever else `connect` throws passes through at once. */
export async function awaitDependency<T>(
  name: string,
  connect: () => Promise<T>,
  timeoutSeconds: number,
  log: Logger,
): Promise<T> {
  const startedAt = performance.now();
  const left = () => timeoutSeconds * 1000 - (performance.now() - startedAt);
  let tries = 0;
  const policy = retry(
    handleWhen((error) => isAway(error) && left() > 0),
    {
      maxAttempts: Number.MAX_SAFE_INTEGER,
      // The last try comes when the time is up, not after it.
      backoff: new DelegateBackoff<unknown, number>((_, last = FIRST_DELAY_MS / GROWTH) => {
        const delay = Math.min(last * GROWTH, DELAY_MS_MAX);
        return { delay: Math.max(0, Math.min(delay, left())), state: delay };
      }),
    },
  );
  try {
    return await policy.execute(async () => {
      tries += 1;
      try {
        return await connect();
      } catch (error) {
        log.warn({ dependency: name, try: tries, reason: String(error) }, "Dependency not there yet");
        throw error;
      }
    });
  } catch (error) {
    if (!isAway(error)) throw error;
    throw new DependencyMissing(`${name} could not be reached within ${timeoutSeconds} s: ${error.message}`);
  }
}

function isAway(error: unknown): error is Error {
  return (error instanceof StoreAway && !(error instanceof StoreForbidden)) || error instanceof QueueAway;
}
