/**
 * How long it takes from the start of a publish until the event shows in `/events`, while others publish at a given
 * pace. One event after the other, each looked for until it is there.
 */
import { join } from "node:path";
import { percentile } from "./statistics.ts";

export interface Visible {
  readonly asked_per_s: number;
  /** What the background really reached; far below what was asked, the figure is not of that load. */
  readonly acknowledged_per_s: number;
  readonly samples: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
}

const TOPIC = "bench.visible";
const POLL_MS = 1;
const PAUSE_MS = 15;
const VISIBLE_MS_MAX = 10_000;
const WARM_UP_MS = 500;

async function publishAndLookFor(base: string): Promise<number> {
  const event_id = crypto.randomUUID();
  const event = { topic: TOPIC, event_id, timestamp: new Date().toISOString(), source: "bench", payload: {} };
  const began = performance.now();
  const published = await fetch(`${base}/publish`, {
    method: "POST",
    body: JSON.stringify(event),
    headers: { "content-type": "application/json" },
  });
  if (published.status !== 200) {
    throw new Error(`a publish was answered ${published.status} at half the peak`);
  }
  while (performance.now() - began < VISIBLE_MS_MAX) {
    const page = await fetch(`${base}/events?topic=${TOPIC}&limit=1`);
    if ((await page.text()).includes(event_id)) {
      return performance.now() - began;
    }
    await Bun.sleep(POLL_MS);
  }
  throw new Error(`an event was not visible ${VISIBLE_MS_MAX / 1_000} s after its publish`);
}

export async function measureVisible(base: string, per_s: number, seconds: number): Promise<Visible> {
  const command = [process.execPath, join(import.meta.dir, "paced", "main.ts"), base, String(per_s), String(seconds)];
  const background = Bun.spawn(command, { stdout: "pipe", stderr: "inherit", timeout: (seconds + 20) * 1_000 });
  try {
    await Bun.sleep(WARM_UP_MS);
    const samples: number[] = [];
    // The last second is left out, in which the background may already have ended.
    const until = performance.now() + (seconds - 1) * 1_000 - WARM_UP_MS;
    while (performance.now() < until) {
      samples.push(await publishAndLookFor(base));
      await Bun.sleep(PAUSE_MS * Math.random());
    }
    samples.sort((a, b) => a - b);
    const report = JSON.parse(await new Response(background.stdout).text()) as { acknowledged_per_s: number };
    return {
      asked_per_s: per_s,
      acknowledged_per_s: report.acknowledged_per_s,
      samples: samples.length,
      p50_ms: percentile(samples, 0.5),
      p99_ms: percentile(samples, 0.99),
      max_ms: samples.at(-1) ?? Number.NaN,
    };
  } finally {
    background.kill();
    await background.exited;
  }
}
