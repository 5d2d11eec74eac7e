/** Waiting for a dependency at start: tries 2 s apart at first, then backing off, each logged, up to a limit. */
import { ExponentialBackoff, handleWhen, noJitterGenerator, retry } from "cockatiel";
import type { Logger } from "./ops/log.ts";
import { QueueAway } from "./queue/port.ts";
import { StoreAway } from "./store/port.ts";

const FIRST_DELAY_MS = 2000;
const DELAY_MS_MAX = 15_000;

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
    handleWhen((error) => (error instanceof StoreAway || error instanceof QueueAway) && left() > 0),
    {
      maxAttempts: Number.MAX_SAFE_INTEGER,
      backoff: new ExponentialBackoff({
        generator: noJitterGenerator,
        initialDelay: Math.min(FIRST_DELAY_MS, timeoutSeconds * 500),
        maxDelay: DELAY_MS_MAX,
        exponent: 1.5,
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
    if (!(error instanceof StoreAway || error instanceof QueueAway)) throw error;
    throw new DependencyMissing(`${name} could not be reached within ${timeoutSeconds} s: ${error.message}`);
  }
}
