/**
 * Rates from exact counts: their differences over the time between readings. Where the service had none to give, or
 * another one with lower counts took its place, there is a hole and no guess.
 */
import type { StatsCounts } from "@sekali/contract";

/** A longer pause between two readings is a hole. Pages that nobody looks at ask every ten seconds. */
const GAP_MS = 30_000;
/**
 * A rate is over so much time, or as much of it as there is. What the service remembers is five seconds apart, and what
 * the page asks for itself is one: so all are over about the same.
 */
const RATE_MS = 6000;

/** What the counts were; `away`: the service said that it had none; `unheard`: nothing answered this page. */
export interface Reading {
  readonly atMs: number;
  readonly counts: StatsCounts | "away" | "unheard";
}

export interface Sample {
  readonly atMs: number;
  readonly queued: number | null;
  /** A second; null where nothing is known. */
  readonly received: number | null;
  readonly unique: number | null;
  readonly duplicate: number | null;
  readonly dead: number | null;
}

interface Known {
  readonly atMs: number;
  readonly counts: StatsCounts;
}

const UNKNOWN = { queued: null, received: null, unique: null, duplicate: null, dead: null };

const isKnown = (reading: Reading): reading is Known => typeof reading.counts === "object";

/** @param readings in the order of time. */
export function samplesOf(readings: readonly Reading[]): Sample[] {
  const samples: Sample[] = [];
  /** Those that follow on from each other, up to the newest, as far back as a rate goes. */
  let run: Known[] = [];
  for (const reading of readings) {
    const { atMs } = reading;
    if (!isKnown(reading)) {
      run = [];
      samples.push({ atMs, ...UNKNOWN });
      continue;
    }
    const last = run.at(-1);
    if (last !== undefined && (atMs - last.atMs > GAP_MS || reading.counts.received < last.counts.received)) {
      run = [];
      samples.push({ atMs: last.atMs + 1, ...UNKNOWN });
    }
    run = [...run.filter((each) => each === run.at(-1) || atMs - each.atMs <= RATE_MS), reading];
    samples.push(sampleOf(reading, run[0] ?? reading));
  }
  return samples;
}

function sampleOf({ atMs, counts }: Known, before: Known): Sample {
  if (atMs === before.atMs) return { ...UNKNOWN, atMs, queued: counts.queued };
  const seconds = (atMs - before.atMs) / 1000;
  const rate = (field: keyof StatsCounts) => Math.max(0, counts[field] - before.counts[field]) / seconds;
  return {
    atMs,
    queued: counts.queued,
    received: rate("received"),
    unique: rate("unique_processed"),
    duplicate: rate("duplicate_dropped"),
    dead: rate("dead_lettered"),
  };
}

/**
 * Fills what the page has not read itself with what the service remembers. Nothing comes twice, though both tell of the
 * same time by clocks of their own: what lies closer to a reading of the page than half an interval is left out. That
 * the page heard nothing is no gap where the service goes on without one.
 *
 * @param own in the order of time, with what was filled in before
 * @param told by the service, in the order of time, by the page's clock
 */
export function fillIn(own: readonly Reading[], told: readonly Reading[], intervalMs: number): Reading[] {
  const kept = own.filter((reading) => reading.counts !== "unheard" || !isBridged(reading.atMs, told, intervalMs));
  const heard = kept.filter(({ counts }) => counts !== "unheard");
  const added = told.filter(({ atMs }) => !heard.some((each) => Math.abs(each.atMs - atMs) < intervalMs / 2));
  return [...kept, ...added].toSorted((a, b) => a.atMs - b.atMs);
}

function isBridged(atMs: number, told: readonly Reading[], intervalMs: number): boolean {
  const after = told.findIndex((reading) => reading.atMs >= atMs);
  const [left, right] = [told[after - 1], told[after]];
  if (left === undefined || right === undefined || !isKnown(left) || !isKnown(right)) return false;
  return right.atMs - left.atMs < 2 * intervalMs;
}
