/** How the parts of this process stand at the moment of a scrape: gauges that read what the parts say of themselves. */
import { Gauge, type Registry } from "prom-client";
import { version } from "../../package.json";
import type { Config } from "../config.ts";
import type { Link } from "../queue/port.ts";
import type { LoopState } from "../worker/pool.ts";
import type { Stuck } from "../worker/shard-worker.ts";

export interface StateParts {
  readonly config: Pick<Config, "queueEventsMax" | "topicsMax" | "subscribersMax">;
  readonly link: Link;
  readonly keeper: { readonly openShards: number; readonly isForeign: boolean };
  readonly batcher: { readonly waitingBytes: number };
  readonly workers: { readonly loops: readonly LoopState[]; readonly stuck: readonly Stuck[] };
  readonly databases: readonly { readonly name: string; readonly calls: number; readonly connectionsMax: number }[];
  readonly admission: { readonly places: readonly Place[] };
  readonly followers: { readonly count: number };
  readonly subscriptions: { readonly waiting: number };
  readonly certificates: { readonly expiries: readonly (readonly [use: string, expiresAtMs: number])[] };
  /** Requests that are not answered yet, streams included. */
  readonly requests: () => number;
}

/** How many queries of one kind Postgres works for, and how many wait for their turn. */
export interface Place {
  readonly effort: string;
  readonly running: number;
  readonly waiting: number;
}

type Labelled = readonly (readonly [labels: Readonly<Record<string, string>>, value: number])[];

export function registerStateMetrics(registry: Registry, parts: StateParts): void {
  const gauges = new Gauges(registry);
  gauges.one("sekali_build_info", "1, labelled with this process's version.", ["version"], () => [[{ version }, 1]]);
  gauges.one(
    "sekali_certificate_expiry_timestamp_seconds",
    "When a certificate that this process shows expires, in seconds since the Unix epoch.",
    ["certificate"],
    () => parts.certificates.expiries.map(([certificate, atMs]) => [{ certificate }, atMs / 1000]),
  );
  registerWaysIn(gauges, parts);
  registerWorkers(gauges, parts);
  registerReaders(gauges, parts);
}

class Gauges {
  readonly #registry: Registry;

  constructor(registry: Registry) {
    this.#registry = registry;
  }

  plain(name: string, help: string, read: () => number): void {
    this.one(name, help, [], () => [[{}, read()]]);
  }

  one(name: string, help: string, labelNames: string[], read: () => Labelled): void {
    new Gauge({
      name,
      help,
      labelNames,
      registers: [this.#registry],
      collect() {
        for (const [labels, value] of read()) this.set(labels, value);
      },
    });
  }
}

function registerWaysIn(gauges: Gauges, { config, link, keeper, batcher, requests }: StateParts): void {
  gauges.plain("sekali_http_requests", "Requests under way at this process, streams included.", requests);
  gauges.plain("sekali_waiting_bytes", "Bytes that wait in this process to be queued.", () => batcher.waitingBytes);
  gauges.plain("sekali_open_shards", "Shards that this process may add to.", () => keeper.openShards);
  gauges.plain("sekali_redis_foreign", "1 where Redis belongs to another installation and is refused, else 0.", () =>
    keeper.isForeign ? 1 : 0,
  );
  gauges.plain(
    "sekali_redis_durability_warnings",
    "Settings of Redis that give up something of P1; /readyz names them.",
    () => link.durabilityWarnings.length,
  );
  gauges.plain(
    "sekali_queued_deliveries_max",
    "Deliveries that may be queued over all shards (QUEUE_EVENTS_MAX).",
    () => config.queueEventsMax,
  );
  gauges.plain("sekali_topics_max", "Different topics that there may be (TOPICS_MAX).", () => config.topicsMax);
}

function registerWorkers(gauges: Gauges, { workers }: StateParts): void {
  gauges.one("sekali_worker_loops", "Worker loops of this process, by what they do.", ["state"], () => {
    const holding = workers.loops.filter(({ shard }) => shard !== undefined).length;
    return [
      [{ state: "holding" }, holding],
      [{ state: "idle" }, workers.loops.length - holding],
    ];
  });
  gauges.plain("sekali_stuck_shards", "Shards that can't go on at the moment.", () => workers.stuck.length);
  gauges.plain("sekali_stuck_shard_age_seconds", "How long the shard has been stuck that is so for longest.", () => {
    const sinceMs = workers.stuck.reduce((least, stuck) => Math.min(least, stuck.sinceMs), Date.now());
    return (Date.now() - sinceMs) / 1000;
  });
}

function registerReaders(gauges: Gauges, parts: StateParts): void {
  const { config, databases, admission, followers, subscriptions } = parts;
  gauges.one("sekali_postgres_calls", "Calls to Postgres under way, by pool of connections.", ["pool"], () =>
    databases.map(({ name, calls }) => [{ pool: name }, calls]),
  );
  gauges.one("sekali_postgres_connections_max", "Connections that a pool may open.", ["pool"], () =>
    databases.map(({ name, connectionsMax }) => [{ pool: name }, connectionsMax]),
  );
  gauges.one("sekali_queries", "Queries by the effort they take, running or waiting.", ["effort", "state"], () =>
    admission.places.flatMap(({ effort, running, waiting }) => [
      [{ effort, state: "running" }, running] as const,
      [{ effort, state: "waiting" }, waiting] as const,
    ]),
  );
  gauges.plain("sekali_subscribers", "Connections that follow events at this process.", () => followers.count);
  gauges.plain(
    "sekali_subscribers_max",
    "Subscribers that this process takes (SUBSCRIBERS_MAX).",
    () => config.subscribersMax,
  );
  gauges.plain(
    "sekali_waiting_consumers",
    "Consumers of durable subscriptions that wait at this process.",
    () => subscriptions.waiting,
  );
}
