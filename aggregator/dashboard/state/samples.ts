/**
 * Rates from exact counts: their differences over the time between two replies. Where the service did not answer, or
 * another one with lower counts took its place, there is a hole and no guess.
 */

/** A longer pause between two replies is a hole. Pages that nobody looks at ask every ten seconds. */
const GAP_MS = 30_000;

export interface Sample {
  readonly atMs: number;
  readonly queued: number | null;
  /** A second; null where nothing is known. */
  readonly received: number | null;
  readonly unique: number | null;
  readonly duplicate: number | null;
  readonly dead: number | null;
}

/** What `/stats` counts, as far as the charts show it. */
export interface Counts {
  readonly received: number;
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  readonly dead_lettered: number;
  readonly queued: number;
}

/** @returns what is to be added: nothing but a hole where the two do not follow on from each other. */
export function samplesOf(before: { atMs: number; counts: Counts } | undefined, atMs: number, now: Counts): Sample[] {
  const unknown = { received: null, unique: null, duplicate: null, dead: null };
  if (before === undefined) return [{ atMs, queued: now.queued, ...unknown }];
  const seconds = (atMs - before.atMs) / 1000;
  if (atMs - before.atMs > GAP_MS || now.received < before.counts.received) {
    return [
      { atMs: before.atMs + 1, queued: null, ...unknown },
      { atMs, queued: now.queued, ...unknown },
    ];
  }
  const rate = (field: keyof Counts) => Math.max(0, now[field] - before.counts[field]) / seconds;
  return [
    {
      atMs,
      queued: now.queued,
      received: rate("received"),
      unique: rate("unique_processed"),
      duplicate: rate("duplicate_dropped"),
      dead: rate("dead_lettered"),
    },
  ];
}
