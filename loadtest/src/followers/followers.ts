/**
 * A thousand subscribers to one topic while a thousand events a second are published: how long from publish to arrival,
 * whether each of them got every event, and what the service needs for it. On a stack of its own.
 */
import { join } from "node:path";
import { cpuSeconds, residentMib } from "../stack/cost.ts";
import { RunningStack, type StackPlace } from "../stack/own-stack.ts";

export interface FollowersOptions {
  readonly subscribers: number;
  readonly events_per_s: number;
  readonly seconds: number;
}

/** What the crowd tells at its end. Delays in milliseconds. */
interface Crowd {
  readonly opened: number;
  readonly closed: number;
  readonly least: number;
  readonly most: number;
  readonly mib: number;
  readonly delay_ms: { readonly p50: number; readonly p99: number; readonly max: number };
}

export interface FollowersResult extends Crowd {
  readonly published: number;
  readonly published_per_s: number;
  readonly resident_peak_mib: number | undefined;
  /** Processors that the service kept busy. */
  readonly service_cpu: number | undefined;
}

const TOPIC = "load.followed";
const BATCHES_PER_S = 100;
/** For what is under way when the last publish was acknowledged. */
const SETTLE_MS = 3_000;
export const DELAY_P99_MS_MAX = 250;

export async function measureFollowers(options: FollowersOptions, place: StackPlace): Promise<FollowersResult> {
  const settings = { SUBSCRIBERS_MAX: String(options.subscribers + 10), LOG_LEVEL: "warn" };
  const stack = await RunningStack.start(
    { aggregators: [settings], faults: [], memory_growth_mib_max: undefined },
    place,
  );
  try {
    const { base, pid } = stack.program(0);
    const program = join(import.meta.dir, "crowd", "main.ts");
    const crowd = Bun.spawn([process.execPath, program, base, TOPIC, String(options.subscribers)], {
      stdin: "pipe",
      stdout: "pipe",
      stderr: "inherit",
    });
    const lines = linesOf(crowd.stdout);
    await lines.next();
    const before = cpuSeconds(pid);
    const began = performance.now();
    const published = await publish(base, options);
    const elapsed_s = (performance.now() - began) / 1_000;
    const after = cpuSeconds(pid);
    await Bun.sleep(SETTLE_MS);
    const resident_peak_mib = residentMib(pid)?.peak;
    await crowd.stdin.end();
    const told = JSON.parse((await lines.next()).value ?? "{}") as Crowd;
    await crowd.exited;
    const service_cpu = before === undefined || after === undefined ? undefined : (after - before) / elapsed_s;
    return { ...told, published, published_per_s: published / elapsed_s, resident_peak_mib, service_cpu };
  } finally {
    await stack.stop();
  }
}

/** Every subscriber has every event, none was cut off, and the delay is what it should be. */
export function isFine(result: FollowersResult): boolean {
  const { least, most, published, closed, delay_ms } = result;
  return least === published && most === published && closed === 0 && delay_ms.p99 < DELAY_P99_MS_MAX;
}

/** At an even pace, in small batches. A service that falls behind makes the pace slower, which the result shows. */
async function publish(base: string, { events_per_s, seconds }: FollowersOptions): Promise<number> {
  const size = Math.max(1, Math.round(events_per_s / BATCHES_PER_S));
  const began = performance.now();
  let published = 0;
  for (let batch = 0; batch < BATCHES_PER_S * seconds; batch += 1) {
    const wait_ms = began + (batch * 1_000) / BATCHES_PER_S - performance.now();
    if (wait_ms > 0) await Bun.sleep(wait_ms);
    const events = Array.from({ length: size }, () => ({
      topic: TOPIC,
      event_id: crypto.randomUUID(),
      timestamp: new Date().toISOString(),
      source: "load",
      payload: { t: Date.now(), status: "ok", cpu_usage: batch % 100 },
    }));
    const body = JSON.stringify(events);
    const headers = { "content-type": "application/json" };
    const reply = await fetch(`${base}/publish`, { method: "POST", body, headers });
    if (reply.status !== 200) throw new Error(`a publish was answered ${reply.status}: ${await reply.text()}`);
    await reply.arrayBuffer();
    published += size;
  }
  return published;
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of stream) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
}
