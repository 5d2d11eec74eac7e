/** The programs under the stop-watch, each started fresh for one measurement and ended after it. */
import { join } from "node:path";
import { freePort } from "@sekali/native";

export interface Program {
  readonly base: string;
  readonly pid: number;
  stop(): Promise<void>;
}

export interface Backing {
  readonly redis_url: string;
  readonly postgres_url: string;
}

const START_MS_MAX = 60_000;
const POLL_MS = 50;
const STOP_MS_MAX = 15_000;

async function answers(base: string, route: string, child: Bun.Subprocess): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) {
      throw new Error(`the program ended with code ${child.exitCode} before it was ready`);
    }
    const response = await fetch(`${base}${route}`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    if (response !== undefined && response.status !== 503) {
      return;
    }
    await Bun.sleep(POLL_MS);
  }
  throw new Error(`${base} was not ready within ${START_MS_MAX / 1_000} s`);
}

async function start(
  command: string[],
  port: number,
  route: string,
  environment: Record<string, string> = {},
): Promise<Program> {
  const child = Bun.spawn(command, {
    env: { ...environment },
    stdout: "ignore",
    stderr: "inherit",
    stdin: "ignore",
  });
  const base = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<void> => {
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    await child.exited;
    clearTimeout(late);
  };
  try {
    await answers(base, route, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { base, pid: child.pid, stop };
}

export async function startEcho(): Promise<Program> {
  const port = await freePort();
  return start([process.execPath, join(import.meta.dir, "echo", "main.ts"), String(port)], port, "/");
}

export async function startNaive({ redis_url, postgres_url }: Backing): Promise<Program> {
  const port = await freePort();
  const program = join(import.meta.dir, "naive", "main.ts");
  return start([process.execPath, program, String(port), redis_url, postgres_url], port, "/stats");
}

function aggregatorCommand(root: string): string[] {
  return [process.execPath, join(root, "aggregator", "src", "main.ts")];
}

function aggregatorEnvironment({ redis_url, postgres_url }: Backing, name: string): Record<string, string> {
  return {
    DATABASE_URL: postgres_url,
    BROKER_URL: redis_url,
    DATABASE_SCHEMA: name,
    KEY_PREFIX: name,
    HOST: "127.0.0.1",
  };
}

/** @param name of the schema and of the keys, so that each measurement begins empty */
export async function startAggregator(root: string, backing: Backing, name: string): Promise<Program> {
  const port = await freePort();
  const environment = { ...aggregatorEnvironment(backing, name), PORT: String(port) };
  return start([...aggregatorCommand(root), "serve"], port, "/readyz", environment);
}

/** Makes the tables and leaves. */
export async function migrate(root: string, backing: Backing, name: string): Promise<void> {
  const child = Bun.spawn([...aggregatorCommand(root), "migrate"], {
    env: { ...aggregatorEnvironment(backing, name) },
    stdio: ["ignore", "ignore", "inherit"],
    timeout: START_MS_MAX,
  });
  if ((await child.exited) !== 0) {
    throw new Error(`migrating ${name} ended with code ${child.exitCode}`);
  }
}
