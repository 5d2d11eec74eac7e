/**
 * One aggregator process: its parts, in the order in which they start and the opposite one in which they stop.
 *
 *   starting ──dependencies there──▶ serving ──stop()──▶ draining ──everything answered──▶ stopped
 *
 * Stopping is idempotent and bounded: not ready → no new connections → what is in flight is answered → transactions are
 * finished → connections are closed. Each step has its share of the 10 s that are promised; what has not ended by then
 * is cut off, which loses nothing, because nothing of it has been acknowledged or committed by halves.
 */
import { Access } from "./access/access.ts";
import type { Config } from "./config.ts";
import { DashboardRoute } from "./dashboard/dashboard-route.ts";
import { Batcher } from "./ingest/batcher.ts";
import { CloudEventsRoute } from "./ingest/cloudevents/cloudevents-route.ts";
import { DeadLetterRoutes } from "./ingest/dead-letter-routes.ts";
import { Intake } from "./ingest/intake.ts";
import { OtlpLogsRoute } from "./ingest/otlp/otlp-logs-route.ts";
import { PublishRoute } from "./ingest/publish-route.ts";
import { ShardKeeper } from "./ingest/shard-keeper.ts";
import { TopicRegistry } from "./ingest/topic-registry.ts";
import { Verdicts } from "./ingest/verdicts.ts";
import { Listener } from "./listener.ts";
import { OpenApiRoute } from "./openapi/openapi-route.ts";
import { CertificateWatch } from "./ops/certificate-watch.ts";
import { HealthRoutes } from "./ops/health-routes.ts";
import type { Logger } from "./ops/log.ts";
import { Metrics } from "./ops/metrics.ts";
import { registerProcessMetrics } from "./ops/metrics-process.ts";
import { MetricsRoute } from "./ops/metrics-route.ts";
import { SharedMetrics } from "./ops/metrics-shared.ts";
import { registerStateMetrics } from "./ops/metrics-state.ts";
import { PartitionKeeper } from "./ops/partition-keeper.ts";
import type { Tracing } from "./ops/tracing-port.ts";
import { WorkersRoute } from "./ops/workers-route.ts";
import { Admission, READERS_MAX } from "./query/admission.ts";
import { DuplicatesRoute } from "./query/duplicates-route.ts";
import { EventRoute } from "./query/event-route.ts";
import { EventStreams } from "./query/event-streams.ts";
import { EventsRoute } from "./query/events-route.ts";
import { StatsHistory } from "./query/stats-history.ts";
import { StatsHistoryRoute } from "./query/stats-history-route.ts";
import { StatsRoute } from "./query/stats-route.ts";
import { TopicsRoute } from "./query/topics-route.ts";
import { RedisLink } from "./queue/redis-link.ts";
import { RedisQueue } from "./queue/redis-queue.ts";
import { SignalHub } from "./queue/signal-hub.ts";
import { ReferenceRoute } from "./reference/reference-route.ts";
import type { Route } from "./route.ts";
import { createServer } from "./server.ts";
import { awaitDependency } from "./startup.ts";
import { PostgresAuditStore } from "./store/audit-store.ts";
import { PostgresBatchStore } from "./store/batch-store.ts";
import { Database, type DatabaseOptions, IN_ORDER, INDEXES_ONLY } from "./store/database.ts";
import { PostgresDeadLetterStore } from "./store/dead-letter-store.ts";
import { PostgresEventReader } from "./store/event-reader.ts";
import { PostgresEventStore } from "./store/event-store.ts";
import { PostgresFeedStore } from "./store/feed-store.ts";
import { PostgresKeyStore } from "./store/key-store.ts";
import { migrate, readInstallation } from "./store/migrations.ts";
import { requireOwnSession } from "./store/session.ts";
import { PostgresShardStore } from "./store/shard-store.ts";
import { PostgresSubscriptionStore } from "./store/subscription-store.ts";
import { Followers } from "./subscribe/followers.ts";
import { SubscribeRoute } from "./subscribe/subscribe-route.ts";
import { Subscriptions } from "./subscribe/subscriptions.ts";
import { SubscriptionsRoute } from "./subscribe/subscriptions-route.ts";
import type { Identity } from "./tls.ts";
import { Auditor } from "./worker/auditor.ts";
import { DeliveryLog } from "./worker/delivery-log.ts";
import { ObservedBatchStore } from "./worker/observed-batch-store.ts";
import { WorkerPool } from "./worker/pool.ts";

/** Requests, small lookups and taking shards up; never the workers' connections, so that neither starves the other. */
const API_CONNECTIONS_MAX = 6;
/** The tail, those who catch up, and those who ask where to begin. Followers starve nobody but each other. */
const FEED_CONNECTIONS_MAX = 4;
/** Consumers of durable subscriptions; not the tail's connections, so that neither starves the other. */
const LEASE_CONNECTIONS_MAX = 3;
/** A query's statement: less than anything that publishing or a crash's recovery waits for. */
const QUERY_TIMEOUT_MS = 4000;
const IN_FLIGHT_MS_MAX = 3500;
const TRANSACTIONS_MS_MAX = 3500;
const CLOSE_S_MAX = 1;

export interface Service {
  readonly url: URL;
  /** What is mounted. */
  readonly routes: readonly Route[];
  /**
   * Serves HTTPS with this certificate from now on; false: it already did.
   * @throws where the certificate can't be used; the one of before is then still served.
   */
  renewCertificate(tls: Identity): boolean;
  stop(): Promise<void>;
}

/** Connects, migrates if it may, takes the shards up, and serves. */
export async function startService(config: Config, log: Logger): Promise<Service> {
  const api = new Database({ ...database(config), name: "api", connectionsMax: API_CONNECTIONS_MAX });
  const installation = await awaitDependency(
    "Postgres",
    async () => {
      for (const warning of await requireOwnSession(database(config)))
        log.warn({ pooler: warning }, "Not Postgres itself");
      const applied = await migrate(api, config.databaseSchema);
      if (applied.length > 0) log.info({ applied }, "Migrated");
      return readInstallation(api);
    },
    config.startupTimeoutSeconds,
    log,
  );
  const link = new RedisLink(config.brokerUrl, config.brokerTls, log);
  await awaitDependency("Redis", () => link.connect(), config.startupTimeoutSeconds, log);
  const tracing = config.tracing && (await loadTracing())(config.tracing, log);
  const service = new Parts(config, log, api, link, installation, tracing);
  await service.start();
  return service;
}

/** OpenTelemetry's SDK costs time and memory to load, and most processes do without. */
async function loadTracing() {
  return (await import("./ops/tracing.ts")).startTracing;
}

/** What all connections of this configuration share. */
export function database(config: Config): Pick<DatabaseOptions, "url" | "tls" | "schema"> {
  return { url: config.databaseUrl, tls: config.databaseTls, schema: config.databaseSchema };
}

/** Connections for each kind of work, so that none starves another. */
function openPools(config: Config) {
  const shared = database(config);
  return {
    // One for each loop, and one for the audit.
    workers: new Database({ ...shared, name: "worker", connectionsMax: config.workers + 1, settings: INDEXES_ONLY }),
    feed: new Database({ ...shared, name: "feed", connectionsMax: FEED_CONNECTIONS_MAX, settings: IN_ORDER }),
    leases: new Database({ ...shared, name: "leases", connectionsMax: LEASE_CONNECTIONS_MAX, settings: IN_ORDER }),
    readers: new Database({
      ...shared,
      name: "query",
      connectionsMax: READERS_MAX,
      // As above: a page walks along the index until it is full.
      settings: { statement_timeout: QUERY_TIMEOUT_MS, enable_seqscan: "off", enable_bitmapscan: "off" },
    }),
  };
}

class Parts implements Service {
  readonly #config: Config;
  readonly #log: Logger;
  readonly #api: Database;
  readonly #pools: ReturnType<typeof openPools>;
  readonly #link: RedisLink;
  readonly #queue: RedisQueue;
  readonly #hub = new SignalHub();
  readonly #keeper: ShardKeeper;
  readonly #batcher: Batcher;
  readonly #verdicts: Verdicts;
  readonly #topics: TopicRegistry;
  readonly #pool: WorkerPool;
  readonly #partitions: PartitionKeeper;
  readonly #access: Access;
  readonly #health: HealthRoutes;
  readonly #events: PostgresEventStore;
  readonly #audit: PostgresAuditStore;
  readonly #auditor: Auditor;
  readonly #history: StatsHistory;
  readonly #followers: Followers;
  readonly #subscriptions: Subscriptions;
  readonly routes: readonly Route[];
  readonly #admission = new Admission();
  readonly #metrics = new Metrics();
  readonly #tracing: Tracing | undefined;
  readonly #certificates: CertificateWatch;
  readonly #http: Listener;
  #stopping: Promise<void> | undefined;

  constructor(
    config: Config,
    log: Logger,
    api: Database,
    link: RedisLink,
    installation: string,
    tracing: Tracing | undefined,
  ) {
    this.#config = config;
    this.#log = log;
    this.#tracing = tracing;
    this.#api = api;
    this.#link = link;
    this.#pools = openPools(config);
    this.#queue = new RedisQueue(link, config.keyPrefix, installation);
    const shards = new PostgresShardStore(api, installation);
    this.#events = new PostgresEventStore(api);
    this.#audit = new PostgresAuditStore(api);
    this.#history = new StatsHistory(this.#events, this.#queue);
    api.onConnectionLost(() => this.#history.doubt());
    this.#hub.on((signal) => this.#history.hear(signal));
    const addedTo = config.roles.has("api") ? config.shards : 0;
    this.#keeper = new ShardKeeper(this.#queue, shards, addedTo, boundsOfShard(config), log);
    this.#hub.on((signal) => {
      if (signal.kind === "ahead") return void this.#keeper.takeUp(signal.shard);
      const held = signal.kind === "moved" ? signal.position : signal.head;
      if (held !== undefined) this.#keeper.learn(signal.shard, held);
    });
    this.#batcher = new Batcher(this.#keeper, this.#hub, this.#metrics, tracing);
    this.#verdicts = new Verdicts(shards, this.#hub);
    this.#topics = new TopicRegistry(shards, config.topicsMax, log);
    const batches = new ObservedBatchStore(new PostgresBatchStore(this.#pools.workers), this.#metrics, tracing);
    this.#auditor = new Auditor(new PostgresAuditStore(this.#pools.workers), log);
    this.#pool = new WorkerPool(this.#queue, batches, this.#hub, log, new DeliveryLog(log, this.#auditor));
    this.#partitions = new PartitionKeeper(this.#events, this.#audit, config, log);
    const feed = new PostgresFeedStore(this.#pools.feed, installation);
    this.#followers = new Followers(feed, this.#queue, this.#hub, config.subscribersMax, log);
    this.#subscriptions = new Subscriptions({
      store: new PostgresSubscriptionStore(this.#pools.leases),
      hub: this.#hub,
      resolve: (start) => this.#followers.resolve(start),
      consumersMax: config.subscribersMax,
      log,
    });
    this.#access = new Access(config, new PostgresKeyStore(api), log);
    this.#health = new HealthRoutes({
      roles: config.roles,
      queue: this.#queue,
      store: this.#events,
      keeper: this.#keeper,
      stuck: () => this.#pool.stuck,
      access: this.#access.state,
    });
    this.#certificates = new CertificateWatch(
      () => ({
        https: this.#http.certificate,
        database: config.databaseTls?.identity?.certificate,
        broker: config.brokerTls?.identity?.certificate,
      }),
      log,
    );
    this.routes = this.#routes();
    const app = createServer(this.routes, this.#access.gate, log, this.#metrics, tracing);
    this.#http = new Listener({ host: config.host, port: config.port, tls: config.httpTls }, app.fetch);
  }

  get url(): URL {
    return this.#http.url;
  }

  async start(): Promise<void> {
    const { roles, workers, shards } = this.#config;
    await this.#queue.listen(this.#hub);
    await this.#partitions.start();
    if (roles.has("api")) await this.#topics.start();
    await this.#keeper.start();
    if (roles.has("worker")) {
      this.#pool.start(workers);
      this.#auditor.start();
    }
    this.#history.start();
    await this.#access.start();
    this.#http.start();
    this.#certificates.start();
    this.#log.info({ url: this.url.href, roles: [...roles], workers, shards }, "Ready");
  }

  renewCertificate(tls: Identity): boolean {
    const isRenewed = this.#http.renew(tls);
    if (isRenewed) this.#certificates.look();
    return isRenewed;
  }

  #routes(): readonly Route[] {
    const routes = this.#routesOfRoles();
    return [...routes, ...new OpenApiRoute(routes).routes];
  }

  /** A process that only works takes no events and shows none; it reports all the same. */
  #routesOfRoles(): readonly Route[] {
    const { roles, bodyBytesMax, batchEventsMax, otlpTopic, otlpIdentity } = this.#config;
    const stats = new StatsRoute(this.#events, this.#queue, this.#audit, () => ({ stuck: this.#pool.stuck }));
    const history = new StatsHistoryRoute(this.#history);
    const workers = new WorkersRoute(this.#events, this.#queue, this.#pool);
    const counting = [...stats.routes, ...history.routes];
    const reporting = [...this.#health.routes, ...counting, ...workers.routes, ...this.#metricsRoute().routes];
    if (!roles.has("api")) return reporting;
    const limits = { bodyBytesMax, batchEventsMax };
    const intake = new Intake(this.#batcher, this.#verdicts, this.#topics, limits);
    const reader = new PostgresEventReader(this.#pools.readers);
    const admission = this.#admission;
    const publish = new PublishRoute(intake, (request) => this.#http.keepAlive(request));
    return [
      ...publish.routes,
      ...new CloudEventsRoute(intake).routes,
      ...new OtlpLogsRoute(intake, { topicTemplate: otlpTopic, identity: otlpIdentity }, this.#metrics).routes,
      ...new DeadLetterRoutes(new PostgresDeadLetterStore(this.#api), intake, publish).routes,
      ...new EventsRoute(reader, admission, new EventStreams(this.#log)).routes,
      ...new EventRoute(reader, admission).routes,
      ...new TopicsRoute(reader, admission).routes,
      ...new DuplicatesRoute(new PostgresAuditStore(this.#pools.readers), admission).routes,
      ...new SubscribeRoute(this.#followers).routes,
      ...new SubscriptionsRoute(this.#subscriptions).routes,
      ...new DashboardRoute().routes,
      ...new ReferenceRoute().routes,
      ...this.#access.routes,
      ...reporting,
    ];
  }

  #metricsRoute(): MetricsRoute {
    const { registry } = this.#metrics;
    registerStateMetrics(registry, {
      config: this.#config,
      link: this.#link,
      keeper: this.#keeper,
      batcher: this.#batcher,
      workers: this.#pool,
      databases: this.#databases,
      admission: this.#admission,
      followers: this.#followers,
      subscriptions: this.#subscriptions,
      certificates: this.#certificates,
      requests: () => this.#http.pendingRequests,
    });
    registerProcessMetrics(registry);
    return new MetricsRoute(registry, new SharedMetrics(registry, this.#events, this.#queue));
  }

  get #databases(): readonly Database[] {
    return [...Object.values(this.#pools), this.#api];
  }

  stop(): Promise<void> {
    this.#stopping ??= this.#stop();
    return this.#stopping;
  }

  async #stop(): Promise<void> {
    this.#log.info("Draining");
    this.#health.drain();
    this.#followers.drain();
    this.#subscriptions.drain();
    await this.#answerInFlight();
    await within(TRANSACTIONS_MS_MAX, Promise.all([this.#pool.stop(), this.#auditor.stop()]));
    this.#keeper.stop();
    this.#history.stop();
    this.#topics.stop();
    this.#partitions.stop();
    this.#certificates.stop();
    await this.#access.stop();
    await Promise.all(this.#databases.map((connections) => connections.close(CLOSE_S_MAX)));
    this.#link.close();
    await this.#tracing?.stop();
    this.#log.info("Stopped");
  }

  /** Workers go on meanwhile, so that those who wait for a verdict get it. */
  async #answerInFlight(): Promise<void> {
    const http = this.#http;
    const stopped = http.stop();
    await within(IN_FLIGHT_MS_MAX, Promise.all([this.#batcher.drain(), untilIdle(http)]));
    this.#verdicts.giveUp();
    await within(200, untilIdle(http));
    await http.end();
    await within(200, stopped);
  }
}

function boundsOfShard(config: Config): { eventsMax: number; bytesMax: number } {
  return {
    eventsMax: Math.floor(config.queueEventsMax / config.shards),
    bytesMax: Math.floor(config.queueBytesMax / config.shards),
  };
}

async function untilIdle(http: { readonly pendingRequests: number }): Promise<void> {
  while (http.pendingRequests > 0) await Bun.sleep(5);
}

async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const limit = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms);
  });
  await Promise.race([work, limit]);
  clearTimeout(timer);
}
