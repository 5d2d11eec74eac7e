/**
 * The load generator for rates: wrk, an event loop in C. k6 is for behaviour; it would use more than what it
 * measures.
 */
import { join } from "node:path";
import { DUPLICATE_RATIO, type IdVersion, RECENT_MAX } from "./templates.ts";

export interface Load {
  readonly url: string;
  readonly events_per_request: number;
  readonly connections: number;
  readonly seconds: number;
  readonly ids: IdVersion;
  readonly templates: string;
}

export interface Sent {
  readonly requests: number;
  readonly failed: number;
  readonly duration_s: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly max_ms: number;
  /** Processor time that the generator itself took. */
  readonly cpu_s: number;
}

const SCRIPT = join(import.meta.dir, "publish.lua");
const GRACE_MS = 20_000;

export function findWrk(): string {
  const found = Bun.which("wrk");
  if (found === null) {
    throw new Error("wrk is needed for rates and is not on the path: `apt-get install wrk` or `brew install wrk`");
  }
  return found;
}

export async function sendLoad(wrk: string, load: Load): Promise<Sent> {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const script = [load.templates, load.events_per_request, load.ids, seed, DUPLICATE_RATIO, RECENT_MAX].map(String);
  // One thread keeps a small machine's other cores for what is measured.
  const options = ["-t1", `-c${load.connections}`, `-d${load.seconds}s`, "--timeout", "10s", "-s", SCRIPT, load.url];
  const child = Bun.spawn([wrk, ...options, "--", ...script], {
    stdout: "pipe",
    stderr: "pipe",
    timeout: load.seconds * 1_000 + GRACE_MS,
  });
  const [out, errors, code] = await Promise.all([
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
    child.exited,
  ]);
  const result = /^RESULT (.*)$/m.exec(out)?.[1];
  if (code !== 0 || result === undefined) {
    throw new Error(`wrk ended with code ${code}: ${errors}${out}`);
  }
  return { ...JSON.parse(result), cpu_s: Number(child.resourceUsage()?.cpuTime.total ?? 0) / 1e6 };
}
