/**
 * Events a second, from counters that only grow: what they have gained since an earlier sample. Postgres counts for all
 * processes at once, so the rate is that of the whole installation, whichever process is asked. Samples are taken when
 * somebody asks; an idle service asks Postgres for nothing.
 */

/** Samples that are older are forgotten. */
const WINDOW_MS = 60_000;
/** What lies closer together says little, and would fill the memory with samples. */
const SPACING_MS = 1000;

interface Sample {
  readonly atMs: number;
  readonly counts: ReadonlyMap<string, number>;
}

export class RateMeter {
  #samples: readonly Sample[] = [];

  /**
   * @param atMs by a clock that is never set
   * @returns how each count has grown since the oldest sample of the last minute, a second; undefined without one.
   */
  measure(atMs: number, counts: ReadonlyMap<string, number>): ((name: string) => number) | undefined {
    const samples = this.#samples.filter((sample) => atMs - sample.atMs <= WINDOW_MS);
    const newest = samples.at(-1);
    this.#samples = newest === undefined || atMs - newest.atMs >= SPACING_MS ? [...samples, { atMs, counts }] : samples;
    const oldest = samples[0];
    if (oldest === undefined || atMs - oldest.atMs < SPACING_MS) return undefined;
    const seconds = (atMs - oldest.atMs) / 1000;
    // A topic that was not counted yet has grown from nothing.
    return (name) => Math.max(0, (counts.get(name) ?? 0) - (oldest.counts.get(name) ?? 0)) / seconds;
  }
}
