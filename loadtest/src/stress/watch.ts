/**
 * Reads `/stats` throughout a run: P3 must hold in every single reply, the samples become the report's chart, and
 * whoever waits sees that something happens.
 */
import type { StatsReply } from "@sekali/contract";
import { countsOf, processed, readStats } from "./service.ts";

export interface Sample {
  readonly elapsed_s: number;
  readonly received: number;
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  readonly queued: number;
}

/** How often the queue is looked at while it empties. */
const DRAIN_POLL_MS = 100;
const DRAIN_MS_MAX = 120_000;
/** With other publishers at work the queue may never be seen empty; then this long without growth is the end. */
const QUIET_MS = 3_000;

function disagreement(stats: StatsReply, before: StatsReply | undefined): string | undefined {
  const sum = stats.unique_processed + stats.duplicate_dropped + stats.dead_lettered + stats.queued;
  if (stats.received !== sum) {
    return `received ${stats.received} is not the sum ${sum}`;
  }
  if (before !== undefined && before.lost === stats.lost && before.received > stats.received) {
    return `received went back from ${before.received} to ${stats.received}`;
  }
  return undefined;
}

export class Watch {
  readonly samples: Sample[] = [];
  readonly violations: string[] = [];
  readonly #base: string;
  readonly #topics: readonly string[];
  readonly #poll_ms: number;
  readonly #first: StatsReply;
  readonly #started_ms = performance.now();
  #last: StatsReply;
  #stopping: (() => void) | undefined;
  #loop: Promise<void> | undefined;

  private constructor(base: string, topics: readonly string[], poll_ms: number, first: StatsReply) {
    this.#base = base;
    this.#topics = topics;
    this.#poll_ms = poll_ms;
    this.#first = first;
    this.#last = first;
  }

  static async begin(base: string, topics: readonly string[], poll_ms: number): Promise<Watch> {
    return new Watch(base, topics, poll_ms, await readStats(base));
  }

  get first(): StatsReply {
    return this.#first;
  }

  get last(): StatsReply {
    return this.#last;
  }

  get elapsed_s(): number {
    return (performance.now() - this.#started_ms) / 1_000;
  }

  /**
   * The samples from the first that shows this run's events: before that k6 was preparing. Seconds count from
   * there.
   */
  get loaded(): Sample[] {
    return this.samples.slice(this.#loadedFrom()).map((sample) => this.#sinceLoaded(sample));
  }

  #loadedFrom(): number {
    return Math.max(0, this.samples.findIndex((sample) => sample.unique_processed > 0) - 1);
  }

  #sinceLoaded(sample: Sample): Sample {
    return { ...sample, elapsed_s: sample.elapsed_s - (this.samples[this.#loadedFrom()]?.elapsed_s ?? 0) };
  }

  /** Reads once. A service that is away for a moment (a restart under load) is no violation; a wrong sum is. */
  async sample(): Promise<StatsReply | undefined> {
    let stats: StatsReply;
    try {
      stats = await readStats(this.#base);
    } catch {
      return undefined;
    }
    const wrong = disagreement(stats, this.#last);
    if (wrong !== undefined) {
      this.violations.push(wrong);
    }
    const now = countsOf(stats, this.#topics);
    const before = countsOf(this.#first, this.#topics);
    this.samples.push({
      elapsed_s: this.elapsed_s,
      received: stats.received - this.#first.received,
      unique_processed: now.unique_processed - before.unique_processed,
      duplicate_dropped: now.duplicate_dropped - before.duplicate_dropped,
      queued: stats.queued,
    });
    this.#last = stats;
    return stats;
  }

  start(onSample: (sample: Sample) => void): void {
    const stopped = new Promise<void>((resolve) => {
      this.#stopping = resolve;
    });
    this.#loop = (async () => {
      while (this.#stopping !== undefined) {
        const stats = await this.sample();
        const latest = this.samples.at(-1);
        if (stats !== undefined && latest !== undefined && latest.unique_processed > 0) {
          onSample(this.#sinceLoaded(latest));
        }
        await Promise.race([Bun.sleep(this.#poll_ms), stopped]);
      }
    })();
  }

  async stop(): Promise<void> {
    this.#stopping?.();
    this.#stopping = undefined;
    await this.#loop;
  }

  /**
   * Waits until everything acknowledged has left the queue.
   * @returns after how many seconds it had; undefined past the bound
   */
  async drained(acknowledged: number): Promise<number | undefined> {
    const began_ms = performance.now();
    const deadline_ms = began_ms + DRAIN_MS_MAX;
    const before = processed(countsOf(this.#first, this.#topics));
    let seen = -1;
    let grew_ms = began_ms;
    while (performance.now() < deadline_ms) {
      const stats = await this.sample();
      const now = stats === undefined ? seen : processed(countsOf(stats, this.#topics)) - before;
      if (now !== seen) {
        seen = now;
        grew_ms = performance.now();
      }
      const quiet = seen >= acknowledged && performance.now() - grew_ms > QUIET_MS;
      if (stats !== undefined && (stats.queued === 0 || quiet)) {
        return (grew_ms - began_ms) / 1_000;
      }
      await Bun.sleep(DRAIN_POLL_MS);
    }
    return undefined;
  }
}
