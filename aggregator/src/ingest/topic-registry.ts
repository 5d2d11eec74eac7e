/**
 * Keeps the number of different topics bounded: each costs a counter row a shard and a place in every `/stats` reply.
 *
 * Each process knows the topics that Postgres has counted, looked up now and then, and those that it has let in itself.
 * Several processes that let in different new topics in the same moment can pass the bound by a few; it is there
 * against a publisher that puts ids into topics, not as an exact quota.
 */
import type { Logger } from "../ops/log.ts";
import type { ShardStore } from "../store/port.ts";

const REFRESH_INTERVAL_MS = 10_000;
const NONE: ReadonlySet<string> = new Set();

export class TopicRegistry {
  readonly #store: ShardStore;
  readonly #log: Logger;
  readonly #known = new Set<string>();
  #timer: ReturnType<typeof setInterval> | undefined;
  readonly topicsMax: number;

  constructor(store: ShardStore, topicsMax: number, log: Logger) {
    this.#store = store;
    this.topicsMax = topicsMax;
    this.#log = log;
  }

  async start(): Promise<void> {
    await this.#refresh();
    this.#timer = setInterval(() => {
      // Only near the bound can another process's topics make a difference here.
      if (this.#known.size * 2 > this.topicsMax) void this.#refresh();
    }, REFRESH_INTERVAL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /**
   * Lets the topics of one request in, all or none.
   *
   * @returns the new topics for which there is no room; empty where all were let in.
   */
  admit(topics: Iterable<string>): ReadonlySet<string> {
    let fresh: Set<string> | undefined;
    for (const topic of topics) if (!this.#known.has(topic)) fresh = (fresh ?? new Set()).add(topic);
    if (fresh === undefined) return NONE;
    const room = Math.max(0, this.topicsMax - this.#known.size);
    if (fresh.size > room) return new Set([...fresh].slice(room));
    for (const topic of fresh) this.#known.add(topic);
    return NONE;
  }

  async #refresh(): Promise<void> {
    try {
      for (const topic of await this.#store.topics()) this.#known.add(topic);
    } catch (error) {
      this.#log.debug({ reason: String(error) }, "Topics not refreshed");
    }
  }
}
