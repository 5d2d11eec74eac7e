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
/** How the Compose service sees this project, and the aggregator beside it. */
const COMPOSE_ROOT = "/sekali";
const COMPOSE_PROFILE = "k6";
const COMPOSE_TARGET = "http://aggregator:8080";

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
  /** A base URL of the service as k6 sees it. */
  target(url: string): string;
}

/** What finding k6 depends on. */
export interface Search {
  /** The project's folder. */
  readonly root: string;
  readonly inherited: Environment;
  readonly targets: readonly string[];
  readonly say: (line: string) => void;
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
  return { version, origin, command: [path], inherited, path: (file) => file, target: (url) => url };
}

async function fromGo(inherited: Environment): Promise<K6 | undefined> {
  const gopath = await output(["go", "env", "GOPATH"]);
  const path = join(gopath ?? "", "bin", "k6");
  return gopath !== undefined && existsSync(path) ? native(path, "Go's folder", inherited) : undefined;
}

/**
 * In its container k6 has a loopback of its own, so it reaches the service by its name there. That is only the same
 * service where Compose itself publishes it at the given address.
 */
function composeTargets(published: string | undefined, targets: readonly string[]): Map<string, string> | undefined {
  const seen = new Map<string, string>();
  for (const target of targets) {
    const { hostname, port } = new URL(target);
    const isLoopback = ["127.0.0.1", "localhost", "[::1]"].includes(hostname);
    if (isLoopback && port !== published?.split(":").at(-1)) {
      return undefined;
    }
    seen.set(target, isLoopback ? COMPOSE_TARGET : target);
  }
  return seen;
}

async function fromCompose({ root, inherited, targets }: Search): Promise<K6 | undefined> {
  const compose = ["docker", "compose", "--project-directory", root, "--profile", COMPOSE_PROFILE];
  // The project must have the service, and the daemon must answer: the client alone runs nothing.
  const services = await output([...compose, "config", "--services"]);
  if (!services?.split("\n").includes("k6") || (await output(["docker", "info"])) === undefined) {
    return undefined;
  }
  const seen = composeTargets(await output([...compose, "port", "aggregator", "8080"]), targets);
  const command = [...compose, "run", "--rm", "--no-deps", "-T"];
  const version = seen && (await output([...command, "k6", "version"], INSTALL_MS_MAX));
  if (seen === undefined || version === undefined) {
    return undefined;
  }
  return {
    version: version.split(" ")[1] ?? "unknown",
    origin: "Compose profile",
    command,
    inherited,
    path: (file) => join(COMPOSE_ROOT, relative(root, file)),
    target: (url) => seen.get(url) ?? url,
  };
}

async function installed({ root, inherited, say }: Search): Promise<K6 | undefined> {
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

export async function findK6(search: Search): Promise<K6> {
  const { root, inherited } = search;
  const onPath = Bun.which("k6");
  const own = join(root, ".tools", "bin", "k6");
  const found =
    (onPath === null ? undefined : await native(onPath, "the path", inherited)) ??
    (existsSync(own) ? await native(own, "the project's tools", inherited) : undefined) ??
    (await fromGo(inherited)) ??
    (await fromCompose(search)) ??
    (await installed(search));
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
