/**
 * What the counts were in the last quarter of an hour: what this page has read, and before that, or where it could not
 * read, what the service remembers.
 */
import { computed, effect, signal } from "@preact/signals";
import type { StatsHistoryReply } from "@sekali/contract";
import { ask } from "./fetched.ts";
import { fillIn, type Reading, samplesOf } from "./samples.ts";
import { stats } from "./service.ts";
import { may } from "./session.ts";

export const WINDOW_MS = 15 * 60_000;
/** More than a second's readings and the service's own come to. */
const READINGS_MAX = 1500;
/** After a longer pause the service may know what this page has missed; it remembers every few seconds. */
const PAUSE_MS = 7500;
const AGAIN_MS = 5000;
const SERVICE_UNAVAILABLE = 503;

/** Oldest first. */
const readings = signal<readonly Reading[]>([]);

export const history = computed(() => samplesOf(readings.value));

/** When the process that answers began to remember, by this page's clock; undefined until it has said so. */
export const rememberedSinceMs = signal<number | undefined>(undefined);

let isComplete = false;
let recalledAtMs = Number.NEGATIVE_INFINITY;

effect(() => {
  const counts = stats.value.value;
  const atMs = stats.atMs.value;
  const fault = stats.fault.value;
  if (fault !== undefined) {
    // Who may not read has no history either.
    if (may("read")) note({ atMs: Date.now(), counts: fault.status === SERVICE_UNAVAILABLE ? "away" : "unheard" });
  } else if (counts !== undefined && atMs !== undefined) note({ atMs, counts });
});

function note(reading: Reading): void {
  const before = readings.peek().at(-1);
  readings.value = bounded([...readings.peek(), reading]);
  if (typeof reading.counts !== "object" || reading.atMs - (before?.atMs ?? 0) > PAUSE_MS) isComplete = false;
  // While nobody looks, the pauses are long and the holes can wait. What it remembers, it tells whatever is away.
  const isDue = !isComplete && !document.hidden && reading.atMs - recalledAtMs > AGAIN_MS;
  if (isDue && reading.counts !== "unheard") void recall(reading.atMs);
}

async function recall(nowMs: number): Promise<void> {
  recalledAtMs = nowMs;
  isComplete = true;
  try {
    const { since, now, interval_s, samples } = (await (await ask("/stats/history")).json()) as StatsHistoryReply;
    const aheadMs = Date.now() - Date.parse(now);
    const told = samples.map(
      ({ at, counts }): Reading => ({ atMs: Date.parse(at) + aheadMs, counts: counts ?? "away" }),
    );
    rememberedSinceMs.value = Date.parse(since) + aheadMs;
    readings.value = bounded(fillIn(readings.peek(), told, interval_s * 1000));
  } catch {
    isComplete = false;
  }
}

function bounded(all: readonly Reading[]): readonly Reading[] {
  const sinceMs = (all.at(-1)?.atMs ?? 0) - WINDOW_MS;
  return all.filter(({ atMs }) => atMs >= sinceMs).slice(-READINGS_MAX);
}
