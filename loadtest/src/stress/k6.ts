/**
 * Where k6 comes from, and how one run of it is made. From the path, the project's own tools, Go's folder, the Compose
 * profile or `go install`; where none of these is there, the message says which command cures it.
 */
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join, relative } from "node:path";

export const K6_VERSION = "v1.8.1";
const PROBE_MS_MAX = 10_000;
const INSTALL_MS_MAX = 600_000;
/** Where the Compose service sees this project; it shares the host's network, so that URLs stay as they are. */
const COMPOSE_ROOT = "/sekali";
const COMPOSE_PROFILE = "stress";
const REPORTS = "loadtest/reports";

export type Environment = Readonly<Record<string, string | undefined>>;

export interface K6 {
  readonly version: string;
  readonly origin: string;
  /** The command that comes before k6's own arguments. */
  readonly command: readonly string[];
  /** What the command inherits; only `main.ts` reads the environment itself. */
  readonly inherited: Environment;
  /** A path of this project as k6 sees it. */
  path(file: string): string;
}

async function output(command: string[], milliseconds = PROBE_MS_MAX): Promise<string | undefined> {
  try {
    const child = Bun.spawn(command, { stdout: "pipe", stderr: "ignore", stdin: "ignore", timeout: milliseconds });
    const text = await new Response(child.stdout).text();
    return (await child.exited) === 0 ? text.trim() : undefined;
  } catch {
    return undefined;
  }
}

async function native(path: string, origin: string, inherited: Environment): Promise<K6 | undefined> {
  const text = await output([path, "version"]);
  const version = /k6(?:\.exe)? (v\d+\.\d+\.\d+)/.exec(text ?? "")?.[1];
  // Before 1.0 k6 did not read TypeScript by itself.
  if (version === undefined || version.startsWith("v0.")) {
    return undefined;
  }
  return { version, origin, command: [path], inherited, path: (file) => file };
}

async function fromGo(inherited: Environment): Promise<K6 | undefined> {
  const gopath = await output(["go", "env", "GOPATH"]);
  const path = join(gopath ?? "", "bin", "k6");
  return gopath !== undefined && existsSync(path) ? native(path, "Go's folder", inherited) : undefined;
}

async function fromCompose(root: string, inherited: Environment): Promise<K6 | undefined> {
  const compose = ["docker", "compose", "--project-directory", root, "--profile", COMPOSE_PROFILE];
  // The daemon must answer, and the project must have the service: the client alone runs nothing.
  const services = await output([...compose, "config", "--services"]);
  if (!services?.split("\n").includes("k6") || (await output(["docker", "info"])) === undefined) {
    return undefined;
  }
  // The project is mounted read-only; the reports must be written, and by whoever asked for them.
  const owner = `${process.getuid?.() ?? 0}:${process.getgid?.() ?? 0}`;
  const reports = `${join(root, REPORTS)}:${join(COMPOSE_ROOT, REPORTS)}`;
  const command = [...compose, "run", "--rm", "--no-deps", "-T", "--user", owner, "--volume", reports];
  return {
    version: (await output([...command, "k6", "version"], INSTALL_MS_MAX))?.split(" ")[1] ?? "unknown",
    origin: "Compose profile",
    command,
    inherited,
    path: (file) => join(COMPOSE_ROOT, relative(root, file)),
  };
}

async function installed(root: string, inherited: Environment, say: (line: string) => void): Promise<K6 | undefined> {
  if ((await output(["go", "version"])) === undefined) {
    return undefined;
  }
  const bin = join(root, ".tools", "bin");
  await mkdir(bin, { recursive: true });
  say(`installing k6 ${K6_VERSION} into .tools/bin (once, takes a minute or two)`);
  const child = Bun.spawn(["go", "install", `go.k6.io/k6@${K6_VERSION}`], {
    env: { ...inherited, GOBIN: bin },
    stdio: ["ignore", "inherit", "inherit"],
    timeout: INSTALL_MS_MAX,
  });
  return (await child.exited) === 0 ? native(join(bin, "k6"), "go install", inherited) : undefined;
}

/** @param root the project's folder */
export async function findK6(root: string, inherited: Environment, say: (line: string) => void): Promise<K6> {
  const onPath = Bun.which("k6");
  const own = join(root, ".tools", "bin", "k6");
  const found =
    (onPath === null ? undefined : await native(onPath, "the path", inherited)) ??
    (existsSync(own) ? await native(own, "the project's tools", inherited) : undefined) ??
    (await fromGo(inherited)) ??
    (await fromCompose(root, inherited)) ??
    (await installed(root, inherited, say));
  if (found === undefined) {
    throw new Error(
      `k6 1.0 or later is needed and was not found on the path, in .tools/bin, in Go's folder or as a Compose service.
Any of these brings it:
  go install go.k6.io/k6@${K6_VERSION}
  brew install k6
  https://grafana.com/docs/k6/latest/set-up/install-k6/`,
    );
  }
  return found;
}

export interface K6Run {
  readonly script: string;
  readonly environment: Readonly<Record<string, string>>;
  /** k6's own account of the run (its standard output and errors). */
  readonly log: string;
  /** What the scripts said, one line each. */
  readonly console: string;
  readonly dashboard: string;
  readonly signal: AbortSignal;
}

/** @returns k6's exit code: 0, or 99 where a threshold was crossed, or another where the run itself failed */
export async function runK6(k6: K6, run: K6Run): Promise<number> {
  const environment: Record<string, string> = {
    ...run.environment,
    K6_WEB_DASHBOARD: "true",
    K6_WEB_DASHBOARD_EXPORT: k6.path(run.dashboard),
    // No port, no browser: the page is written when the run ends and nothing else happens.
    K6_WEB_DASHBOARD_PORT: "-1",
    K6_WEB_DASHBOARD_OPEN: "false",
    K6_WEB_DASHBOARD_PERIOD: "1s",
    K6_NO_USAGE_REPORT: "true",
  };
  const compose = k6.command[0] === "docker";
  const through = Object.entries(environment).flatMap(([name, value]) => ["-e", `${name}=${value}`]);
  const before = compose ? [...k6.command, ...through, "k6"] : k6.command;
  const log = Bun.file(run.log);
  const child = Bun.spawn(
    [...before, "run", "--quiet", "--no-color", `--console-output=${k6.path(run.console)}`, k6.path(run.script)],
    {
      env: { ...k6.inherited, ...environment },
      stdin: "ignore",
      stdout: log,
      stderr: log,
      signal: run.signal,
      killSignal: "SIGINT",
    },
  );
  return await child.exited;
}
