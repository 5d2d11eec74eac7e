/**
 * One episode's world: a schema and a key prefix on the servers of its lane, the aggregators with their links, the
 * publishers and their history, and the eyes that watch all of it. Faults act on this and on nothing else.
 */
import { type Database, openDatabase } from "@sekali/aggregator/harness/database";
import type { Draw } from "@sekali/aggregator/harness/draw";
import { redisCommand } from "@sekali/aggregator/harness/redis-commands";
import { StatsWatch } from "@sekali/aggregator/harness/stats-watch";
import { attempt, Clients } from "../clients/clients.ts";
import { EventSource } from "../clients/event-source.ts";
import { History } from "../clients/history.ts";
import { MemoryWatch } from "../watch/memory-watch.ts";
import { PositionsWatch } from "../watch/positions-watch.ts";
import { StallClock } from "../watch/stall-clock.ts";
import { Node } from "./node.ts";
import type { Servers } from "./servers.ts";

export interface Bounds {
  /** P5: after a dependency's return work goes on, and the queue is drained, within this time. */
  readonly recoveryMs: number;
  /** P6: while Redis is away a publish fails within this time. */
  readonly refusalMs: number;
  readonly exitMs: number;
  readonly residentBytes: number;
}

export interface WorldOptions {
  readonly name: string;
  readonly servers: Servers;
  readonly draw: Draw;
  readonly bounds: Bounds;
  readonly binary: string | undefined;
  readonly aggregators: number;
  /** Redis will be made to lose what it acknowledged. */
  readonly loses: boolean;
}

export const SHARDS = 4;
const SETTINGS = { SHARDS: String(SHARDS), WORKERS: "3" };
const RETRY_MS = 50;
const READY_MS_MAX = 60_000;

export class World {
  readonly history = new History();
  /** What was found wrong while the episode ran. */
  readonly complaints: string[] = [];
  /** How often each kind of injection was made. */
  readonly tally = new Map<string, number>();
  longestRecoveryMs = 0;
  /** Several faults act at once: what only one of them would explain is not asserted. */
  mixed = false;
  /** The fault of this episode lets nothing be under way but what it breaks; undefined until it has decided. */
  quiet: boolean | undefined;
  readonly options: WorldOptions;
  readonly nodes: readonly Node[];
  readonly sql: Database;
  readonly clients: Clients;
  readonly positions: PositionsWatch;
  readonly memory: MemoryWatch;
  /** What is bounded in time is measured by it. */
  readonly clock = new StallClock();
  readonly stats: readonly StatsWatch[];
  readonly #probes: EventSource;
  readonly #eye: Database;

  private constructor(options: WorldOptions, nodes: readonly Node[], sql: Database, complaints: string[]) {
    this.options = options;
    this.nodes = nodes;
    this.sql = sql;
    this.complaints = complaints;
    const seeds = options.draw;
    this.#probes = new EventSource(seeds.fork());
    this.#eye = openDatabase({ url: options.servers.postgres.url, schema: options.name, connections: 1 });
    this.positions = new PositionsWatch(this.#eye);
    this.memory = new MemoryWatch(nodes);
    this.stats = nodes.map((node) => new StatsWatch(() => node.directUrl, this.history));
    if (options.loses) for (const watch of this.stats) watch.expectLoss();
    const urls = nodes.map(({ url }) => url);
    this.clients = new Clients(this.history, urls, () => seeds.fork());
  }

  static async open(options: WorldOptions): Promise<World> {
    const { servers, name } = options;
    const sql = openDatabase({ url: servers.postgres.url, schema: name });
    await sql.unsafe(`CREATE SCHEMA "${name}"`);
    const complaints: string[] = [];
    const env = { ...SETTINGS, DATABASE_SCHEMA: name, KEY_PREFIX: name };
    const nodes = await Promise.all(
      Array.from({ length: options.aggregators }, (_, index) =>
        Node.open({
          name: `${name}-${index + 1}`,
          servers,
          env,
          binary: options.binary,
          onEnd: (complaint) => complaints.push(complaint),
        }),
      ),
    );
    await Promise.all(nodes.map((node) => node.process.ready(READY_MS_MAX)));
    return new World(options, nodes, sql, complaints);
  }

  get name(): string {
    return this.options.name;
  }

  get servers(): Servers {
    return this.options.servers;
  }

  get bounds(): Bounds {
    return this.options.bounds;
  }

  complain(complaint: string): void {
    this.complaints.push(complaint);
  }

  count(kind: string): void {
    this.tally.set(kind, (this.tally.get(kind) ?? 0) + 1);
  }

  /** One command to Redis, past every proxy. */
  async redisCommand(name: string, ...rest: string[]): Promise<unknown> {
    return await redisCommand(this.servers.redis.url, name, ...rest);
  }

  /** One delivery of a new event straight to a node. */
  async probe(node: Node, query = ""): Promise<{ readonly status: number | undefined; readonly body: unknown }> {
    return await attempt(this.history, node.directUrl, [this.#probes.fresh()], query);
  }

  /**
   * Everything is healed: waits until each of the aggregators takes an event and sees it stored. How long that took is
   * the recovery of this injection (P5).
   */
  async recovered(nodes: readonly Node[] = this.nodes): Promise<void> {
    const healedAtMs = this.clock.now();
    await Promise.all(nodes.map((node) => this.#recovers(node, healedAtMs)));
    this.longestRecoveryMs = Math.max(this.longestRecoveryMs, this.clock.now() - healedAtMs);
  }

  async #recovers(node: Node, healedAtMs: number): Promise<void> {
    for (;;) {
      const { status } = await this.probe(node, "?ack=stored");
      const tookMs = this.clock.now() - healedAtMs;
      if (status === 200 && tookMs <= this.bounds.recoveryMs) return;
      if (tookMs > this.bounds.recoveryMs) {
        const how = status === 200 ? `needed ${Math.round(tookMs)} ms` : "still does not store";
        this.complain(`P5: ${node.name} ${how} after everything was healed:\n${node.process.tail()}`);
        return;
      }
      await Bun.sleep(RETRY_MS);
    }
  }

  async close(): Promise<void> {
    await this.clients.stop();
    await Promise.allSettled([this.positions.stop(), ...this.stats.map((watch) => watch.stop())]);
    this.memory.stop();
    this.clock.stop();
    await Promise.all(this.nodes.map((node) => node.close()));
    await Promise.all([this.sql.end({ timeout: 0 }), this.#eye.end({ timeout: 0 })]);
    const { url } = this.servers.postgres;
    const cleaner = openDatabase({ url, schema: this.name, connections: 1 });
    await cleaner.unsafe(`DROP SCHEMA IF EXISTS "${this.name}" CASCADE`).catch(() => undefined);
    await cleaner.end({ timeout: 1 });
    await this.redisCommand("FLUSHALL").catch(() => undefined);
  }
}
