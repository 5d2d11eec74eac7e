/** The programs under the stop-watch, each started fresh for one measurement and ended after it. */
import { join } from "node:path";
import { freePort } from "@sekali/native";
import { aggregatorCommand, aggregatorEnvironment, type Backing, launch, type Program } from "../stack/program.ts";

const MIGRATE_MS_MAX = 60_000;

async function start(command: string[], port: number, route: string, environment: Record<string, string> = {}) {
  return launch({ command, port, route, environment, log: undefined });
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

/** What is measured: the sources or a binary, and the servers behind it. */
export interface Installation {
  readonly root: string;
  readonly binary: string | undefined;
  readonly backing: Backing;
}

/** @param name of the schema and of the keys: a new one begins empty */
export async function startAggregator(
  { root, binary, backing }: Installation,
  name: string,
  settings: Readonly<Record<string, string>> = {},
): Promise<Program> {
  const port = await freePort();
  const environment = { ...aggregatorEnvironment(backing, name), PORT: String(port), ...settings };
  return start([...aggregatorCommand(root, binary), "serve"], port, "/readyz", environment);
}

/** Makes the tables and leaves. */
export async function migrate({ root, binary, backing }: Installation, name: string): Promise<void> {
  const child = Bun.spawn([...aggregatorCommand(root, binary), "migrate"], {
    env: aggregatorEnvironment(backing, name),
    stdio: ["ignore", "ignore", "inherit"],
    timeout: MIGRATE_MS_MAX,
  });
  if ((await child.exited) !== 0) {
    throw new Error(`migrating ${name} ended with code ${child.exitCode}`);
  }
}
