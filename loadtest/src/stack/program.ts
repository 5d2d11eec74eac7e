/** A program of this project as a process of its own: started, ended in order, killed, paused. */
import { join } from "node:path";

export interface Program {
  readonly base: string;
  readonly pid: number;
  /** SIGTERM, and SIGKILL where that is not enough. @returns the exit code */
  stop(): Promise<number>;
  kill(): Promise<void>;
  signal(name: "SIGSTOP" | "SIGCONT"): void;
}

export interface Launch {
  readonly command: readonly string[];
  readonly port: number;
  /** A path that answers anything but 503 as soon as the program is ready. */
  readonly route: string;
  readonly environment: Readonly<Record<string, string>>;
  /** A file for what it prints; undefined shows its complaints and drops the rest. */
  readonly log: string | undefined;
}

export interface Backing {
  readonly redis_url: string;
  readonly postgres_url: string;
}

const START_MS_MAX = 60_000;
const POLL_MS = 50;
const STOP_MS_MAX = 20_000;

async function answers(base: string, route: string, child: Bun.Subprocess): Promise<void> {
  const deadline = performance.now() + START_MS_MAX;
  while (performance.now() < deadline) {
    if (child.exitCode !== null) {
      throw new Error(`the program ended with code ${child.exitCode} before it was ready`);
    }
    const response = await fetch(`${base}${route}`, { signal: AbortSignal.timeout(2_000) }).catch(() => undefined);
    await response?.arrayBuffer();
    if (response !== undefined && response.status !== 503) {
      return;
    }
    await Bun.sleep(POLL_MS);
  }
  throw new Error(`${base} was not ready within ${START_MS_MAX / 1_000} s`);
}

export async function launch({ command, port, route, environment, log }: Launch): Promise<Program> {
  const child = Bun.spawn([...command], {
    env: { ...environment },
    stdout: log === undefined ? "ignore" : Bun.file(log),
    stderr: "inherit",
    stdin: "ignore",
  });
  const base = `http://127.0.0.1:${port}`;
  const stop = async (): Promise<number> => {
    // One that stands still would never see that it is asked to end.
    child.kill("SIGCONT");
    child.kill("SIGTERM");
    const late = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
    const code = await child.exited;
    clearTimeout(late);
    return code;
  };
  const kill = async (): Promise<void> => {
    child.kill("SIGKILL");
    await child.exited;
  };
  try {
    await answers(base, route, child);
  } catch (error) {
    await stop();
    throw error;
  }
  return { base, pid: child.pid, stop, kill, signal: (name) => child.kill(name) };
}

/** @param binary compiled, or undefined for the sources */
export function aggregatorCommand(root: string, binary: string | undefined): string[] {
  return binary === undefined ? [process.execPath, join(root, "aggregator", "src", "main.ts")] : [binary];
}

/** @param name of the schema and of the keys, so that several can share the servers without meeting */
export function aggregatorEnvironment({ redis_url, postgres_url }: Backing, name: string): Record<string, string> {
  return {
    DATABASE_URL: postgres_url,
    BROKER_URL: redis_url,
    DATABASE_SCHEMA: name,
    KEY_PREFIX: name,
    HOST: "127.0.0.1",
  };
}
