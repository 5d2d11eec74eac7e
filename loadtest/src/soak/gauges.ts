/**
 * The figures that must not grow while a service works for hours, where each is read, and what is still flat. The
 * tolerances leave room for saw teeth of a garbage collector and for the rhythm of autovacuum; a leak of a few bytes a
 * request is beyond them within minutes at the rate of a soak.
 */
import { readdirSync } from "node:fs";
import { RedisClient, SQL } from "bun";
import { residentMib } from "../stack/cost.ts";
import type { RunningStack } from "../stack/own-stack.ts";
import type { Tolerance } from "./flat.ts";

export interface Gauge {
  readonly name: string;
  readonly unit: string;
  readonly tolerance: Tolerance;
}

const gauge = (name: string, unit: string, absolute: number, relative: number): Gauge => ({
  name,
  unit,
  tolerance: { absolute, relative },
});

export const GAUGES = {
  memory: gauge("resident memory of the aggregator", "MiB", 16, 0.1),
  descriptors: gauge("file descriptors of the aggregator", "", 8, 0.05),
  connections: gauge("connections to Redis and Postgres", "", 3, 0),
  redis: gauge("memory of Redis", "MiB", 8, 0.15),
  streams: gauge("entries in the streams", "", 500, 0.2),
  bytes: gauge("bytes on disk of a stored event, with its share of indexes and audit", "B", 20, 0.05),
  bookkeeping: gauge("size of the tables that are updated in place", "MiB", 1, 0.2),
  queued: gauge("events in the queue", "", 2_000, 0.5),
} as const;

export type GaugeName = keyof typeof GAUGES;
export type Gauged = Readonly<Record<GaugeName, number>>;

const MIB = 2 ** 20;

/** What is stored, with everything that belongs to it. */
const STORED = ["identities", "events", "duplicates"];
/** One row a shard, or a shard and topic: they live from being vacuumed. */
const UPDATED = ["positions", "counters"];

export class Gauges {
  readonly #stack: RunningStack;
  readonly #redis: RedisClient;
  readonly #sql: SQL;

  constructor(stack: RunningStack) {
    this.#stack = stack;
    this.#redis = new RedisClient(stack.redis_url);
    this.#sql = new SQL(stack.database.url, { max: 1 });
  }

  /** @param queued as `/stats` says */
  async read(queued: number): Promise<Gauged> {
    const pid = this.#stack.program(0).pid;
    const [memory, clients, streams, disk] = await Promise.all([
      this.#info("memory", "used_memory"),
      this.#info("clients", "connected_clients"),
      this.#streamEntries(),
      this.#disk(),
    ]);
    return {
      memory: residentMib(pid)?.now ?? Number.NaN,
      descriptors: readdirSync(`/proc/${pid}/fd`).length,
      // But for this one.
      connections: clients - 1 + disk.backends,
      redis: memory / MIB,
      streams,
      bytes: disk.stored === 0 ? 0 : disk.storedBytes / disk.stored,
      bookkeeping: disk.updatedBytes / MIB,
      queued,
    };
  }

  async close(): Promise<void> {
    this.#redis.close();
    await this.#sql.close({ timeout: 1 });
  }

  async #info(section: string, field: string): Promise<number> {
    const text = String(await this.#redis.send("INFO", [section]));
    return Number(new RegExp(`^${field}:(\\d+)`, "m").exec(text)?.[1]);
  }

  async #streamEntries(): Promise<number> {
    const keys = (await this.#redis.send("KEYS", ["*:stream"])) as string[];
    const lengths = await Promise.all(keys.map(async (key) => Number(await this.#redis.send("XLEN", [key]))));
    return lengths.reduce((sum, length) => sum + length, 0);
  }

  async #disk(): Promise<{ backends: number; stored: number; storedBytes: number; updatedBytes: number }> {
    const { schema } = this.#stack.database;
    const [row] = await this.#sql`
      WITH RECURSIVE tables AS (
        SELECT c.oid, c.relname AS root FROM pg_class c
        WHERE c.relnamespace = ${schema}::regnamespace AND c.relkind IN ('r', 'p')
          AND c.relname = ANY (${`{${[...STORED, ...UPDATED].join(",")}}`}::text[])
        UNION ALL
        SELECT i.inhrelid, t.root FROM tables t JOIN pg_inherits i ON i.inhparent = t.oid
      ), sizes AS (
        SELECT root, sum(pg_total_relation_size(oid)) AS bytes FROM tables GROUP BY root
      )
      SELECT
        (SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'sekali%')::int AS backends,
        (SELECT sum(bytes) FROM sizes WHERE root = ANY (${`{${STORED.join(",")}}`}::text[]))::float8 AS stored_bytes,
        (SELECT sum(bytes) FROM sizes WHERE root = ANY (${`{${UPDATED.join(",")}}`}::text[]))::float8 AS updated_bytes`;
    const [counted] = await this.#sql.unsafe(
      `SELECT coalesce(sum(unique_processed), 0)::float8 AS stored FROM "${schema}".counters`,
    );
    return {
      backends: Number(row.backends),
      stored: Number(counted.stored),
      storedBytes: Number(row.stored_bytes),
      updatedBytes: Number(row.updated_bytes),
    };
  }
}
