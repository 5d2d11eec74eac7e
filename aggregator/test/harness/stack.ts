/**
 * One test's own stack: a schema in the shared Postgres, a key prefix in the shared Redis, a proxy on either link, and
 * as many aggregators as the test starts. Everything that a stack opened ends with it:
 *
 *     await using stack = await openStack();
 *     const aggregator = await stack.start();
 */
import { AggregatorProcess } from "./aggregator-process.ts";
import { type BackingServers, backingServers } from "./backing-servers.ts";
import { type Database, openDatabase } from "./database.ts";
import { expectExact } from "./expect-exact.ts";
import { Publisher } from "./http-client.ts";
import { Ledger } from "./ledger.ts";
import type { Recount } from "./recount.ts";
import { redisCommand } from "./redis-commands.ts";
import { drained, type Stats, StatsWatch } from "./stats-watch.ts";
import { TcpProxy } from "./tcp-proxy.ts";

export interface StackOptions {
  /** Settings of every aggregator of this stack, beside its addresses. */
  readonly env?: Record<string, string>;
  /** Servers of the test's own, instead of the shared ones. */
  readonly servers?: BackingServers;
}

/** Nothing listens on the port of the discard service. */
const NOWHERE = "http://127.0.0.1:9";

let opened = 0;

export class Stack {
  readonly aggregators: AggregatorProcess[] = [];
  readonly ledger = new Ledger();
  readonly publisher = new Publisher(() => this.url, this.ledger);
  readonly #publishable: AggregatorProcess[] = [];
  readonly #watches: StatsWatch[] = [];

  /** Schema and key prefix. */
  readonly name: string;
  readonly redis: BackingServers["redis"];
  readonly postgres: BackingServers["postgres"];
  readonly sql: Database;
  readonly redisLink: TcpProxy;
  readonly postgresLink: TcpProxy;
  readonly #env: Record<string, string>;

  private constructor(
    name: string,
    redis: BackingServers["redis"],
    postgres: BackingServers["postgres"],
    sql: Database,
    redisLink: TcpProxy,
    postgresLink: TcpProxy,
    env: Record<string, string>,
  ) {
    this.name = name;
    this.redis = redis;
    this.postgres = postgres;
    this.sql = sql;
    this.redisLink = redisLink;
    this.postgresLink = postgresLink;
    this.#env = env;
  }

  static async open({ env = {}, servers }: StackOptions = {}): Promise<Stack> {
    const { redis, postgres } = servers ?? (await backingServers());
    opened += 1;
    const name = `test_${process.pid}_${opened}`;
    const sql = openDatabase({ url: postgres.url, schema: name });
    await sql.unsafe(`CREATE SCHEMA "${name}"`);
    const redisLink = await TcpProxy.open({ protocol: "redis", targetPort: redis.port });
    const postgresLink = await TcpProxy.open({ protocol: "postgres", targetPort: postgres.port });
    return new Stack(name, redis, postgres, sql, redisLink, postgresLink, env);
  }

  /** What an aggregator of this stack is told. */
  environment(over: Record<string, string> = {}): Record<string, string> {
    return {
      DATABASE_URL: this.postgresLink.inFrontOf(this.postgres.url),
      BROKER_URL: this.redisLink.inFrontOf(this.redis.url),
      DATABASE_SCHEMA: this.name,
      KEY_PREFIX: this.name,
      SHARDS: "2",
      WORKERS: "3",
      ...this.#env,
      ...over,
    };
  }

  /** Starts one more aggregator without waiting for it. */
  async spawn(env: Record<string, string> = {}): Promise<AggregatorProcess> {
    const name = `${this.name}-${this.aggregators.length + 1}`;
    const settings = this.environment(env);
    const aggregator = await AggregatorProcess.spawn(settings, { name });
    this.aggregators.push(aggregator);
    if (settings["ROLES"] !== "worker") this.#publishable.push(aggregator);
    return aggregator;
  }

  /** Starts one more aggregator and waits until it is ready. */
  async start(env: Record<string, string> = {}): Promise<AggregatorProcess> {
    return await (await this.spawn(env)).ready();
  }

  /** Where to publish and ask now: the youngest aggregator that runs and takes publishes. */
  get url(): string {
    const running = this.#publishable.findLast((aggregator) => aggregator.isRunning);
    return (running ?? this.#publishable.at(-1))?.url ?? NOWHERE;
  }

  /** Watches `/stats` of the youngest aggregator until the stack is found exact, or closed. */
  watchStats(target: () => string = () => this.url): StatsWatch {
    const watch = new StatsWatch(target, this.ledger);
    this.#watches.push(watch);
    return watch;
  }

  /** One command to Redis, past the proxy. */
  async redisCommand(name: string, ...rest: string[]): Promise<unknown> {
    return await redisCommand(this.redis.url, name, ...rest);
  }

  /** Waits until the queue is empty, then holds every watched reply and every row to the ledger. */
  async expectExact({ within = 30_000 } = {}): Promise<{ stats: Stats; rows: Recount }> {
    const stats = await drained(() => this.url, within);
    for (const watch of this.#watches.splice(0)) await watch.stop();
    const rows = await expectExact(this.sql, this.ledger);
    return { stats, rows };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.aggregators.map((aggregator) => aggregator.kill()));
    await Promise.allSettled(this.#watches.map((watch) => watch.stop()));
    this.redisLink.close();
    this.postgresLink.close();
    // A test that failed may have left a transaction open; it ends with its connection, and so do its locks.
    await this.sql.end({ timeout: 0 });
    const cleaner = openDatabase({ url: this.postgres.url, schema: this.name, connections: 1 });
    await cleaner.unsafe(`DROP SCHEMA IF EXISTS "${this.name}" CASCADE`).catch(() => undefined);
    await cleaner.end({ timeout: 1 });
  }
}

export async function openStack(options: StackOptions = {}): Promise<Stack> {
  return await Stack.open(options);
}
