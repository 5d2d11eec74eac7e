/**
 * The real Redis and the real Postgres that the tests of one process share. They are started by the first test that
 * needs them and stopped after the last file; each test keeps to its own schema and key prefix.
 * A test that hurts them (kills, restarts) leaves them running and whole for the next.
 */
import { afterAll, beforeAll } from "bun:test";
import { type PostgresServer, startPostgres, startRedis } from "@sekali/native";

type RedisServer = Awaited<ReturnType<typeof startRedis>>;

export interface BackingServers {
  readonly redis: RedisServer;
  readonly postgres: PostgresServer;
}

let users = 0;
let running: Promise<BackingServers> | undefined;

async function start(): Promise<BackingServers> {
  const [redis, postgres] = await Promise.all([
    startRedis({}),
    // Backends of killed clients may hold their statement for a moment; lock waits must be seen soon.
    startPostgres({ settings: { max_connections: "200", deadlock_timeout: "200ms" } }),
  ]);
  return { redis, postgres };
}

export async function backingServers(): Promise<BackingServers> {
  running ??= start();
  return await running;
}

/** Ends what a broken run has left of the servers, at the latest when the tests' own process ends. */
function killLeftOvers(servers: BackingServers): void {
  for (const { pid } of [servers.redis, servers.postgres]) {
    try {
      process.kill(pid, "SIGKILL");
    } catch {
      // It has ended in order.
    }
  }
}

/** To be called once at the top of a test file that uses the servers. */
export function useBackingServers(): void {
  beforeAll(async () => {
    users += 1;
    const servers = await backingServers();
    if (users === 1) process.once("exit", () => killLeftOvers(servers));
  });
  afterAll(async () => {
    users -= 1;
    if (users > 0 || running === undefined) return;
    const { redis, postgres } = await running;
    running = undefined;
    await Promise.all([redis.stop(), postgres.stop()]);
  });
}
