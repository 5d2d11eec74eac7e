/** What all measurements of one benchmark share: the servers, the generator, the options, and a clean table between. */
import { RedisClient, SQL } from "bun";
import type { Program } from "../stack/program.ts";
import { type Measured, type Measurement, measure, type Servers } from "./measure.ts";
import type { Installation } from "./programs.ts";
import type { Subject } from "./subjects.ts";
import type { IdVersion } from "./templates.ts";

export interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly ids: IdVersion;
  readonly only: readonly Subject[];
  readonly memory: boolean;
  /** How many events are present when the cost as it grows is measured; none: it is not. */
  readonly growth: readonly number[];
  readonly root: string;
  /** Compiled, or undefined for the sources. */
  readonly binary: string | undefined;
  readonly signal: AbortSignal;
}

export interface Setting {
  readonly options: BenchOptions;
  readonly wrk: string;
  readonly templates: string;
  readonly servers: Servers;
  readonly installation: Installation;
  readonly say: (line: string) => void;
}

/** Single events need many callers to keep the service busy, batches few. */
export function load(
  { seconds, ids }: Pick<BenchOptions, "seconds" | "ids">,
  events_per_request: number,
  drain_seconds_max: number | undefined,
): Measurement {
  const connections = events_per_request === 1 ? 128 : 16;
  return { events_per_request, connections, seconds, ids, drain_seconds_max };
}

/** Measures a program and ends it. */
export async function timed(setting: Setting, program: Program, what: Measurement): Promise<Measured> {
  try {
    return await measure(setting.wrk, setting.templates, program, setting.servers, what);
  } finally {
    await program.stop();
  }
}

/**
 * What one measurement leaves behind must not burden the next: an empty Redis, and none of the tables that are not
 * needed any more. Only while no program runs.
 */
export async function tidyUp({ installation }: Setting, schema: string | undefined): Promise<void> {
  const redis = new RedisClient(installation.backing.redis_url);
  await redis.send("FLUSHALL", ["SYNC"]);
  redis.close();
  await onPostgres(installation, async (sql) => {
    if (schema !== undefined) {
      await sql.unsafe(`SET client_min_messages TO warning; DROP SCHEMA IF EXISTS "${schema}" CASCADE`);
    }
  });
}

/** No dirty pages of an earlier measurement are written during the next. */
export async function checkpoint({ installation }: Setting): Promise<void> {
  await onPostgres(installation, (sql) => sql`CHECKPOINT`);
}

export async function onPostgres<T>({ backing }: Installation, work: (sql: SQL) => Promise<T>): Promise<T> {
  const sql = new SQL(backing.postgres_url, { max: 1 });
  try {
    return await work(sql);
  } finally {
    await sql.close();
  }
}
