/** Memory with nothing to do, and with a million events queued that nobody takes out; then how fast they leave. */
import { residentMib } from "../stack/cost.ts";
import { counts } from "./measure.ts";
import { startAggregator } from "./programs.ts";
import { load, type Setting } from "./setting.ts";
import { sendLoad } from "./wrk.ts";

export interface MemoryFound {
  /** Everything in MiB; undefined where the system does not say. */
  readonly rest_mib: number | undefined;
  readonly queued: number;
  readonly taking_mib: number | undefined;
  readonly redis_mib: number | undefined;
  /** Of a fresh process of workers only that empties the queue, at its peak. */
  readonly emptying_mib: number | undefined;
  readonly emptied_per_s: number;
}

const QUEUED_MIN = 1_000_000;
const REST_MS = 3_000;
const SEND_SECONDS = 2;
const SENDS_MAX = 60;
const EVENTS_PER_REQUEST = 1_000;
const EMPTY_MS_MAX = 180_000;
const POLL_MS = 50;

async function fillQueue(setting: Setting, base: string): Promise<number> {
  const what = load({ seconds: SEND_SECONDS, ids: "v4" }, EVENTS_PER_REQUEST, undefined);
  for (let sends = 0; sends < SENDS_MAX; sends += 1) {
    await sendLoad(setting.wrk, { ...what, url: `${base}/publish`, templates: setting.templates });
    const { queued } = await counts(base);
    if (queued >= QUEUED_MIN) {
      return queued;
    }
  }
  throw new Error(`the queue did not reach ${QUEUED_MIN} events`);
}

/** @returns seconds */
async function untilEmpty(base: string): Promise<number> {
  const began = performance.now();
  while (performance.now() - began < EMPTY_MS_MAX) {
    const { queued } = await counts(base);
    if (queued === 0) {
      return (performance.now() - began) / 1_000;
    }
    await Bun.sleep(POLL_MS);
  }
  throw new Error(`the queue was not empty after ${EMPTY_MS_MAX / 1_000} s`);
}

export async function measureMemory(setting: Setting): Promise<MemoryFound> {
  const { installation, servers } = setting;
  const name = "bench_memory";
  // Nothing may be refused for the queue's own bounds while it is filled in chunks.
  const roomy = { QUEUE_EVENTS_MAX: "4000000", QUEUE_BYTES_MAX: String(2 ** 30) };
  const taking = await startAggregator(installation, name, { ROLES: "api", ...roomy });
  try {
    await Bun.sleep(REST_MS);
    const rest_mib = residentMib(taking.pid)?.now;
    const queued = await fillQueue(setting, taking.base);
    const [taking_mib, redis_mib] = [residentMib(taking.pid)?.now, residentMib(servers.redis.pid)?.now];
    const emptying = await startAggregator(installation, name, { ROLES: "worker", ...roomy });
    try {
      const left = (await counts(taking.base)).queued;
      const seconds = await untilEmpty(taking.base);
      const emptying_mib = residentMib(emptying.pid)?.peak;
      return { rest_mib, queued, taking_mib, redis_mib, emptying_mib, emptied_per_s: left / seconds };
    } finally {
      await emptying.stop();
    }
  } finally {
    await taking.stop();
  }
}
