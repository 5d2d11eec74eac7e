/**
 * What all processes of an installation share, read for each scrape: the counters of Postgres, exact as in `/stats`
 * (P3), and what waits in Redis. Every process shows the same numbers, so take their maximum, never their sum.
 *
 * As in `/stats`, one statement reads counters and positions, then the heads are read. Scrapers are several and come
 * when they like: what was read is good for half a second, and a read that is under way is everybody's. What does not
 * answer in time is away: its numbers are left out, never repeated, and `sekali_up` says so.
 */
import { Counter, Gauge, type Registry } from "prom-client";
import type { Backlog, Queue } from "../queue/port.ts";
import type { EventStore, Tally, TopicCount } from "../store/port.ts";

const VALID_MS = 500;
/** Scrapers give up after 10 s by default; a store that is only busy answers in some milliseconds. */
const READ_MS_MAX = 2000;

interface Reading {
  /** Undefined: Postgres is away. */
  readonly tally: Tally | undefined;
  /** Undefined: Redis is away. */
  readonly backlogs: ReadonlyMap<number, Backlog> | undefined;
}

const NOTHING: Reading = { tally: undefined, backlogs: undefined };

export class SharedMetrics {
  readonly #store: Pick<EventStore, "tally">;
  readonly #queue: Pick<Queue, "backlogs">;
  readonly #now: () => number;
  #reading: { readonly startedAtMs: number; readonly done: Promise<Reading>; isDone: boolean } | undefined;
  #shown: Reading = NOTHING;

  /** @param now milliseconds since any fixed instant. */
  constructor(
    registry: Registry,
    store: Pick<EventStore, "tally">,
    queue: Pick<Queue, "backlogs" | "link">,
    now = () => performance.now(),
  ) {
    this.#store = store;
    this.#queue = queue;
    this.#now = now;
    this.#registerCounts(registry);
    this.#registerQueue(registry);
    const isUp = { postgres: () => this.#shown.tally !== undefined, redis: () => queue.link.state === "up" };
    new Gauge({
      name: "sekali_up",
      help: "1 where the dependency answers this process, else 0.",
      labelNames: ["dependency"],
      registers: [registry],
      collect() {
        for (const [dependency, up] of Object.entries(isUp)) this.set({ dependency }, up() ? 1 : 0);
      },
    });
  }

  /** To be awaited before the registry is asked. */
  async refresh(): Promise<void> {
    const now = this.#now();
    if (this.#reading === undefined || (this.#reading.isDone && now - this.#reading.startedAtMs > VALID_MS)) {
      const reading = { startedAtMs: now, done: this.#read(), isDone: false };
      this.#reading = reading;
      void reading.done.finally(() => {
        reading.isDone = true;
      });
    }
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<Reading>((resolve) => {
      timer = setTimeout(resolve, READ_MS_MAX, NOTHING);
    });
    this.#shown = await Promise.race([this.#reading.done, late]);
    clearTimeout(timer);
  }

  async #read(): Promise<Reading> {
    const tally = await this.#store.tally().catch(() => undefined);
    if (tally === undefined) return NOTHING;
    const positions = [...tally.positions];
    const found = await this.#queue.backlogs(positions).catch(() => undefined);
    const backlogs = found?.map((backlog, index) => [positions[index]?.[0] ?? 0, backlog] as const);
    return { tally, backlogs: backlogs && new Map(backlogs) };
  }

  #registerCounts(registry: Registry): void {
    const sum = (field: keyof TopicCount) => (tally: Tally) =>
      [...tally.topics.values()].reduce((total, count) => total + count[field], 0);
    const count = (name: string, help: string, read: (tally: Tally) => number) => {
      const tally = () => this.#shown.tally;
      new Counter({
        name,
        help: `${help} Of all processes.`,
        registers: [registry],
        collect() {
          const now = tally();
          this.reset();
          if (now === undefined) this.remove();
          else this.inc(read(now));
        },
      });
    };
    count("sekali_stored_events_total", "Events stored: deliveries whose identity was new.", sum("unique_processed"));
    count("sekali_dropped_duplicates_total", "Duplicates dropped and counted.", sum("duplicate_dropped"));
    count(
      "sekali_conflicts_total",
      "Dropped duplicates that said something else than what is stored.",
      sum("conflicts"),
    );
    count("sekali_dead_lettered_deliveries_total", "Deliveries kept as dead letters.", sum("dead_lettered"));
    count("sekali_lost_deliveries_total", "Acknowledged deliveries that Redis has lost.", (tally) => tally.lost);
    this.#gauge(registry, "sekali_open_dead_letter_deliveries", {
      help: "Deliveries in dead letters that are neither replayed nor deleted.",
      read: ({ tally }) => tally?.deadOpen,
    });
    this.#gauge(registry, "sekali_topics", {
      help: "Different topics that have been counted.",
      read: ({ tally }) => tally && [...tally.topics.keys()].filter((topic) => topic !== "").length,
    });
  }

  #registerQueue(registry: Registry): void {
    const queued = (shard: number, { head }: Backlog) =>
      Math.max(0, (head?.seq ?? 0) - (this.#shown.tally?.positions.get(shard)?.seq ?? 0));
    this.#shards(registry, "sekali_queued_deliveries", "Deliveries acknowledged, but not yet committed.", queued);
    this.#shards(
      registry,
      "sekali_oldest_queued_delivery_age_seconds",
      "How long the oldest queued delivery has waited, by Redis's clock; 0 where none waits.",
      (_, { oldestMs }) => (oldestMs ?? 0) / 1000,
    );
  }

  #gauge(registry: Registry, name: string, { help, read }: GaugeOptions): void {
    const value = () => read(this.#shown);
    new Gauge({
      name,
      help: `${help} Of all processes.`,
      registers: [registry],
      collect() {
        const now = value();
        if (now === undefined) this.remove();
        else this.set(now);
      },
    });
  }

  #shards(registry: Registry, name: string, help: string, read: (shard: number, backlog: Backlog) => number): void {
    const backlogs = () => this.#shown.backlogs ?? [];
    new Gauge({
      name,
      help: `${help} Of all processes, by shard.`,
      labelNames: ["shard"],
      registers: [registry],
      collect() {
        this.reset();
        for (const [shard, backlog] of backlogs()) this.set({ shard }, read(shard, backlog));
      },
    });
  }
}

interface GaugeOptions {
  readonly help: string;
  readonly read: (reading: Reading) => number | undefined;
}
