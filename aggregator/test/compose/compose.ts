/**
 * The Compose stack that `make test-compose` has brought up, under a project name of its own. The tests speak to the
 * service at SEKALI_URL and reach behind it with the `docker` command alone.
 */
import { join } from "node:path";

const ROOT = join(import.meta.dir, "..", "..", "..");

/** Where the stack answers. Its project name is in COMPOSE_PROJECT_NAME, which `docker compose` reads itself. */
export function composeUrl(): string {
  const { SEKALI_URL, COMPOSE_PROJECT_NAME } = process.env;
  if (!SEKALI_URL || !COMPOSE_PROJECT_NAME) throw new Error("these tests need a Compose stack: `make test-compose`");
  return SEKALI_URL.replace(/\/+$/, "");
}

/** Runs `docker …`, and gives what it printed. */
export async function docker(...args: string[]): Promise<string> {
  const child = Bun.spawn(["docker", ...args], { cwd: ROOT, stdin: "ignore", stdout: "pipe", stderr: "pipe" });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (code !== 0) throw new Error(`docker ${args.join(" ")} ended with ${code}:\n${out}${err}`);
  return out;
}

export async function compose(...args: string[]): Promise<string> {
  return await docker("compose", ...args);
}

/** Brings up what is not running, and returns when all of it is healthy. */
export async function composeUp(): Promise<void> {
  await compose("up", "--detach", "--wait");
}

export interface Container {
  readonly Config: { readonly User: string; readonly Env: readonly string[]; readonly Cmd: readonly string[] };
  readonly State: { readonly ExitCode: number; readonly Status: string };
  readonly HostConfig: {
    readonly ReadonlyRootfs: boolean;
    readonly CapDrop: readonly string[] | null;
    readonly SecurityOpt: readonly string[] | null;
    readonly Memory: number;
    readonly PidsLimit: number;
    readonly PortBindings: Record<string, readonly { HostIp: string }[]> | null;
  };
}

export const SERVICES = ["storage", "broker", "aggregator", "publisher"] as const;
export type ServiceName = (typeof SERVICES)[number];

export async function inspect(service: ServiceName): Promise<Container> {
  const id = (await compose("ps", "--all", "--quiet", service)).trim();
  const [container] = JSON.parse(await docker("inspect", id)) as Container[];
  if (container === undefined) throw new Error(`there is no container of ${service}`);
  return container;
}
