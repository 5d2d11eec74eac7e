/**
 * Watches `/stats` for as long as a test runs and holds every reply to P3:
 * `received = unique_processed + duplicate_dropped + dead_lettered + queued`, `received` never goes backwards, and it
 * never misses a delivery that was acknowledged before the question was asked.
 */
import { eventually } from "./eventually.ts";
import { request } from "./http-client.ts";
import type { Ledger } from "./ledger.ts";

export interface Stats {
  readonly received: number;
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  readonly dead_lettered: number;
  readonly queued: number;
  readonly lost: number;
  readonly topics: readonly string[];
  readonly uptime: string;
}

const POLL_MS = 40;

/** One reply, or undefined while the service says that it cannot know (503) or is away. */
export async function statsOf(url: string): Promise<Stats | undefined> {
  const response = await request(`${url}/stats`).catch(() => undefined);
  if (response === undefined) return undefined;
  const text = await response.text().catch(() => undefined);
  if (text === undefined || response.status === 503) return undefined;
  if (response.status !== 200) throw new Error(`/stats was answered with ${response.status}: ${text}`);
  return JSON.parse(text) as Stats;
}

export function disagreement(stats: Stats): string | undefined {
  const { received, unique_processed, duplicate_dropped, dead_lettered, queued } = stats;
  const counts = [received, unique_processed, duplicate_dropped, dead_lettered, queued, stats.lost];
  if (!counts.every((count) => Number.isSafeInteger(count) && count >= 0)) return "a count is no natural number";
  const sum = unique_processed + duplicate_dropped + dead_lettered + queued;
  return received === sum ? undefined : `received is ${received}, the parts sum up to ${sum}`;
}

export class StatsWatch {
  readonly faults: string[] = [];
  replies = 0;
  last: Stats | undefined;
  #stopped = false;
  #backwardsAllowed = false;
  #loop: Promise<void>;

  readonly #target: () => string;
  readonly #ledger: Pick<Ledger, "acknowledged"> | undefined;

  constructor(target: () => string, ledger?: Pick<Ledger, "acknowledged">) {
    this.#target = target;
    this.#ledger = ledger;
    this.#loop = this.#run();
    // What it throws is for `stop`; until then it must not count as unhandled.
    this.#loop.catch(() => undefined);
  }

  /** From now on `received` may fall: the test makes Redis lose what it acknowledged. */
  expectLoss(): void {
    this.#backwardsAllowed = true;
  }

  /** Asks once and holds the reply to P3. */
  async once(): Promise<Stats | undefined> {
    const acknowledged = this.#ledger?.acknowledged ?? 0;
    const stats = await statsOf(this.#target());
    if (stats === undefined) return undefined;
    this.replies += 1;
    const fault = disagreement(stats);
    if (fault !== undefined) this.#fault(fault, stats);
    if (!this.#backwardsAllowed) {
      if (stats.received < (this.last?.received ?? 0)) this.#fault(`received fell from ${this.last?.received}`, stats);
      if (stats.received < acknowledged) this.#fault(`${acknowledged} had been acknowledged before`, stats);
    }
    this.last = stats;
    return stats;
  }

  /** Ends watching. Throws when any reply broke P3, or when there was none at all. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await this.#loop;
    if (this.faults.length > 0) throw new Error(`P3 was broken:\n${this.faults.slice(0, 5).join("\n")}`);
    if (this.replies === 0) throw new Error("/stats never answered, so P3 was not tested");
  }

  #fault(what: string, stats: Stats): void {
    this.faults.push(`${what} in ${JSON.stringify({ ...stats, topics: stats.topics.length })}`);
  }

  async #run(): Promise<void> {
    while (!this.#stopped) {
      await this.once();
      await Bun.sleep(POLL_MS);
    }
  }
}

/** Waits until nothing is queued any more; gives the reply that said so. */
export async function drained(url: () => string, within = 30_000): Promise<Stats> {
  return await eventually(
    async () => {
      const stats = await statsOf(url());
      if (stats === undefined) throw new Error("/stats does not answer");
      if (stats.queued !== 0) throw new Error(`${stats.queued} are queued`);
      return stats;
    },
    { within, what: "an empty queue" },
  );
}
