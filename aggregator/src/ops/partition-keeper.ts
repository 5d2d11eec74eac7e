/**
 * Keeps `events` and the audit partitioned ahead of time, and drops what retention gives up.
 *
 * Partitions are made a week ahead, so a try that fails (a slow reader holds the table, Postgres is away) has many
 * successors before it matters. Below them is a default partition: rows in it are stored and found like all others, but
 * retention can't drop them, which is why they are an ERROR.
 */
import type { AuditKeeping } from "../store/audit-port.ts";
import type { StoreKeeping } from "../store/port.ts";
import type { Logger } from "./log.ts";

const INTERVAL_MS = 15 * 60_000;
/** Several processes should not ask in the same instant. */
const JITTER_MS = 60_000;

export interface Retention {
  /** Undefined: events are kept for ever. */
  readonly retentionDays: number | undefined;
  readonly auditRetentionDays: number;
}

export class PartitionKeeper {
  readonly #store: StoreKeeping;
  readonly #audit: AuditKeeping;
  readonly #retention: Retention;
  readonly #log: Logger;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #stopped = false;

  constructor(store: StoreKeeping, audit: AuditKeeping, retention: Retention, log: Logger) {
    this.#store = store;
    this.#audit = audit;
    this.#retention = retention;
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
      const { made, dropped } = await this.#store.keepPartitions(this.#retention.retentionDays);
      if (made > 0 || dropped > 0) this.#log.info({ made, dropped }, "Partitions kept");
    } catch (error) {
      this.#log.warn({ reason: String(error) }, "Partitions not kept, trying again later");
    }
    await this.#keepAudit();
    try {
      const rows = await this.#store.countStrays();
      if (rows > 0) this.#log.error({ rows }, "Rows outside of all dated partitions");
    } catch (error) {
      this.#log.debug({ reason: String(error) }, "Strays not counted");
    }
  }

  /** Dropping counts all rows before: minutes for a large audit, and nobody waits for it, a start least of all. */
  async #keepAudit(): Promise<void> {
    const days = this.#retention.auditRetentionDays;
    const failed = (error: unknown) => {
      this.#log.warn({ reason: String(error) }, "The audit's partitions not kept, trying again later");
    };
    try {
      const made = await this.#audit.makeAuditPartitions(days);
      if (made > 0) this.#log.info({ made }, "The audit's partitions kept");
    } catch (error) {
      failed(error);
    }
    void this.#audit.dropExpiredAudit(days).then((dropped) => {
      if (dropped > 0) this.#log.info({ dropped }, "The audit's partitions kept");
    }, failed);
  }
}
