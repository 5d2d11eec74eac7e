/**
 * Keeps `events` partitioned ahead of time, and drops what retention gives up.
 *
 * Partitions are made a week ahead, so a try that fails (a slow reader holds the table, Postgres is away) has many
 * successors before it matters. Below them is a default partition: rows in it are stored and found like all others, but
 * retention can't drop them, which is why they are an ERROR.
 */
import type { StoreKeeping } from "../store/port.ts";
import type { Logger } from "./log.ts";

const INTERVAL_MS = 15 * 60_000;
/** Several processes should not ask in the same instant. */
const JITTER_MS = 60_000;

export class PartitionKeeper {
  readonly #store: StoreKeeping;
  readonly #retentionDays: number | undefined;
  readonly #log: Logger;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(store: StoreKeeping, retentionDays: number | undefined, log: Logger) {
    this.#store = store;
    this.#retentionDays = retentionDays;
    this.#log = log;
  }

  async start(): Promise<void> {
    await this.#keep();
    if (this.#stopped) return;
    this.#timer = setTimeout(() => void this.start(), INTERVAL_MS + Math.random() * JITTER_MS);
  }

  stop(): void {
    this.#stopped = true;
    clearTimeout(this.#timer);
  }

  async #keep(): Promise<void> {
    try {
      const { made, dropped } = await this.#store.keepPartitions(this.#retentionDays);
      if (made > 0 || dropped > 0) this.#log.info({ made, dropped }, "Partitions kept");
    } catch (error) {
      this.#log.warn({ reason: String(error) }, "Partitions not kept, trying again later");
    }
    try {
      const rows = await this.#store.countStrays();
      if (rows > 0) this.#log.error({ rows }, "Events outside of all dated partitions");
    } catch (error) {
      this.#log.debug({ reason: String(error) }, "Strays not counted");
    }
  }
}
