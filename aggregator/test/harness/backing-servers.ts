/**
 * The real Redis and the real Postgres that the tests of one process share. They are started by the first test that
 * needs them and stopped after the last file; each test keeps to its own schema and key prefix.
 * A test that hurts them (kills, restarts) leaves them running and whole for the next.
 */
import { afterAll, beforeAll, setDefaultTimeout } from "bun:test";
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type PostgresServer, type PostgresTls, type RedisServer, startPostgres, startRedis } from "@sekali/native";

export interface BackingServers {
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
  stop(): Promise<void>;
}

/** Slow machines are no failure; what must be quick is bounded by its own test. */
const TEST_MS_MAX = 120_000;

/** Backends of killed clients may hold their statement for a moment; lock waits must be seen soon. */
const POSTGRES_SETTINGS = { max_connections: "200", deadlock_timeout: "200ms" };

let users = 0;
let running: Promise<BackingServers> | undefined;

/**
 * Servers of one's own. Their data are in folders that outlive a `stop`, so that a test can start them again.
 * @param tls they then speak TLS alone.
 */
export async function startServers({ tls }: { tls?: PostgresTls } = {}): Promise<BackingServers> {
  const folder = mkdtempSync(join(tmpdir(), "sekali-test-"));
  // Postgres runs as a user of its own where the tests run as root.
  chmodSync(folder, 0o755);
  const secure = tls === undefined ? {} : { tls };
  const [redis, postgres] = await Promise.all([
    startRedis({ dataDir: join(folder, "redis"), ...secure }),
    startPostgres({ dataDir: join(folder, "postgres"), settings: POSTGRES_SETTINGS, ...secure }),
  ]);
  return {
    redis,
    postgres,
    async stop() {
      await Promise.all([redis.stop(), postgres.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

export async function backingServers(): Promise<BackingServers> {
  running ??= startServers();
  return await running;
}

/** To be called once at the top of a test file that uses the servers. */
export function useBackingServers(): void {
  setDefaultTimeout(TEST_MS_MAX);
  beforeAll(async () => {
    users += 1;
    await backingServers();
  });
  afterAll(async () => {
    users -= 1;
    if (users > 0) return;
    const servers = await running;
    running = undefined;
    await servers?.stop();
  });
}
