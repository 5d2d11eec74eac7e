/** A flood must be too much, or it shows nothing; and when it is over, everything must be as before. */
import type { Flood } from "../../k6/profiles.ts";
import type { Companion, Findings } from "./companion.ts";
import type { Sample, Watch } from "./watch.ts";

/** Over the last seconds of the load, long after the flood. */
const LOOK_BACK_S = 4;
const RECOVERED_SHARE_MIN = 0.9;

/** Events a second that were stored or dropped as duplicates between two samples. */
export function storedRate(samples: readonly Sample[], from_s: number, to_s: number): number {
  const within = samples.filter(({ elapsed_s }) => elapsed_s >= from_s && elapsed_s <= to_s);
  const [first, last] = [within[0], within.at(-1)];
  if (first === undefined || last === undefined || last.elapsed_s <= first.elapsed_s) {
    return Number.NaN;
  }
  const done = (sample: Sample): number => sample.unique_processed + sample.duplicate_dropped;
  return (done(last) - done(first)) / (last.elapsed_s - first.elapsed_s);
}

/** Seconds from the flood's end until the queue held no more than a breath of the calm stream; undefined: never. */
export function recoveredAfter(samples: readonly Sample[], flood: Flood): number | undefined {
  const calm = samples.find(
    ({ elapsed_s, queued }) => elapsed_s >= flood.ends_at_s && queued <= flood.calm_events_per_s,
  );
  return calm === undefined ? undefined : calm.elapsed_s - flood.ends_at_s;
}

export class FloodWatch implements Companion {
  readonly #flood: Flood;
  readonly #ends_s: number;

  /** @param planned_s how long the profile sends */
  constructor(flood: Flood, planned_s: number) {
    this.#flood = flood;
    this.#ends_s = planned_s - 1;
  }

  begin(): void {}

  async end(watch: Watch): Promise<Findings> {
    const samples = watch.loaded;
    const rate = storedRate(samples, this.#ends_s - LOOK_BACK_S, this.#ends_s);
    const least = this.#flood.calm_events_per_s * RECOVERED_SHARE_MIN;
    const after_s = recoveredAfter(samples, this.#flood);
    const n = (value: number): string => value.toLocaleString("en-GB");
    const most = Math.max(...samples.map(({ queued }) => queued));
    return {
      checks: [
        {
          name: "events/s stored after the flood",
          expected: `${least.toFixed(0)} at least`,
          found: rate.toFixed(0),
          passed: rate >= least,
        },
        {
          name: "events in the queue",
          expected: `${n(this.#flood.queue_events_max)} at most`,
          found: n(most),
          passed: most <= this.#flood.queue_events_max,
        },
      ],
      facts: [["recovered", after_s === undefined ? "never" : `${after_s.toFixed(1)} s after the flood at most`]],
    };
  }
}
