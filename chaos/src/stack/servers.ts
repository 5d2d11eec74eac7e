/**
 * The Redis and the Postgres of one stack: real servers with real data folders. Some faults need them in a special
 * place or with a library preloaded; most share the plain ones of their lane.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PostgresServer, type RedisServer, startPostgres, startRedis } from "@sekali/native";

export interface ServerNeeds {
  readonly redisSettings?: Record<string, string>;
  readonly redisEnv?: Record<string, string>;
  readonly postgresSettings?: Record<string, string>;
  readonly postgresEnv?: Record<string, string>;
  /** Variables of every aggregator. */
  readonly aggregatorEnv?: Record<string, string>;
  /** Prepares the folder that holds `redis` and `postgres`, and gives what undoes it. */
  readonly prepare?: (folder: string) => () => void;
}

export interface Servers {
  readonly folder: string;
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  readonly needs: ServerNeeds;
  stop(): Promise<void>;
}

/** Backends of killed clients may hold their statement for a moment. */
const POSTGRES_SETTINGS = { max_connections: "100", deadlock_timeout: "200ms" };

export async function startServers(needs: ServerNeeds = {}): Promise<Servers> {
  const folder = mkdtempSync(join(tmpdir(), "sekali-chaos-"));
  // Postgres runs as a user of its own where this program runs as root.
  chmodSync(folder, 0o755);
  for (const name of ["redis", "postgres"]) mkdirSync(join(folder, name), { mode: 0o755 });
  const undo = needs.prepare?.(folder) ?? (() => undefined);
  const [redis, postgres] = await Promise.all([
    startRedis({
      dataDir: join(folder, "redis", "data"),
      settings: needs.redisSettings ?? {},
      env: needs.redisEnv ?? {},
    }),
    startPostgres({
      dataDir: join(folder, "postgres", "data"),
      settings: { ...POSTGRES_SETTINGS, ...needs.postgresSettings },
      env: needs.postgresEnv ?? {},
    }),
  ]);
  return {
    folder,
    redis,
    postgres,
    needs,
    async stop() {
      await Promise.all([redis.kill(), postgres.kill()]);
      undo();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
