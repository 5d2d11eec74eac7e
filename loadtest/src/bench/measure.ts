/**
 * One measurement: load for some seconds, then wait until the queue is empty. The rate is what was *stored* by then
 * over the whole time, so that nothing is gained by taking in faster than one can store.
 */
import type { Server } from "@sekali/native";
import { cpuSeconds, machineBusySeconds, residentMib } from "../stack/cost.ts";
import type { Program } from "../stack/program.ts";
import { type Load, type Sent, sendLoad } from "./wrk.ts";

/** Processor seconds for each thousand events. */
export interface Cost {
  readonly generator: number;
  readonly service: number | undefined;
  readonly redis: number | undefined;
  readonly postgres: number | undefined;
}

export interface Measured {
  /** Events stored a second (for the echo: answered a second). */
  readonly rate: number;
  /** Events acknowledged a second while the load lasted. */
  readonly acknowledged_rate: number;
  readonly p50_ms: number;
  readonly p99_ms: number;
  readonly failed: number;
  readonly cost_ms_per_event: Cost;
  readonly generator_share: number;
  /** The share of the machine that went to processes which are none of ours: the more, the less a figure says. */
  readonly others_share: number | undefined;
  readonly resident_peak_mib: number | undefined;
  /** False where the queue was still not empty at the bound; the rate is then of what was stored by then. */
  readonly drained: boolean;
}

export interface Servers {
  readonly redis: Server;
  readonly postgres: Server;
}

interface Counts {
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  readonly queued: number;
}

const POLL_MS = 20;

export async function counts(base: string): Promise<Counts> {
  const response = await fetch(`${base}/stats`, { signal: AbortSignal.timeout(5_000) });
  return (await response.json()) as Counts;
}

const done = (now: Counts): number => now.unique_processed + now.duplicate_dropped;

async function drained(
  base: string,
  milliseconds: number,
): Promise<{ readonly stored: number; readonly empty: boolean }> {
  const deadline = performance.now() + milliseconds;
  for (;;) {
    const now = await counts(base);
    const empty = now.queued === 0;
    if (empty || performance.now() >= deadline) {
      return { stored: done(now), empty };
    }
    await Bun.sleep(POLL_MS);
  }
}

export type Cpu = ReturnType<typeof cpuOf>;

function minus(after: number | undefined, before: number | undefined): number | undefined {
  return after === undefined || before === undefined ? undefined : after - before;
}

export function cpuOf(program: Program | undefined, servers: Servers) {
  return {
    machine: machineBusySeconds(),
    bench: cpuSeconds(process.pid),
    service: program === undefined ? undefined : cpuSeconds(program.pid),
    redis: cpuSeconds(servers.redis.pid),
    postgres: cpuSeconds(servers.postgres.pid),
  };
}

/** This process, and all below it: the servers, the program under the stop-watch, the load generator. */
export function othersShare(after: Cpu, before: Cpu, elapsed_s: number): number | undefined {
  const [machine, ours] = [minus(after.machine, before.machine), minus(after.bench, before.bench)];
  return machine === undefined || ours === undefined
    ? undefined
    : Math.max(0, machine - ours) / elapsed_s / navigator.hardwareConcurrency;
}

function costs(sent: Sent, after: Cpu, before: Cpu, events: number): Cost {
  const each = (seconds: number | undefined): number | undefined =>
    seconds === undefined ? undefined : (seconds * 1_000) / Math.max(1, events);
  return {
    generator: each(sent.cpu_s) ?? 0,
    service: each(minus(after.service, before.service)),
    redis: each(minus(after.redis, before.redis)),
    postgres: each(minus(after.postgres, before.postgres)),
  };
}

export interface Measurement extends Omit<Load, "url" | "templates"> {
  /** Undefined for the echo, which stores nothing. */
  readonly drain_seconds_max: number | undefined;
}

export async function measure(
  wrk: string,
  templates: string,
  program: Program,
  servers: Servers,
  what: Measurement,
): Promise<Measured> {
  // Tables that have grown before the measurement come with counters.
  const there = what.drain_seconds_max === undefined ? 0 : done(await counts(program.base));
  const before = cpuOf(program, servers);
  const began = performance.now();
  const sent = await sendLoad(wrk, { ...what, url: `${program.base}/publish`, templates });
  const acknowledged = (sent.requests - sent.failed) * what.events_per_request;
  const end =
    what.drain_seconds_max === undefined
      ? { stored: acknowledged, empty: true }
      : await drained(program.base, what.drain_seconds_max * 1_000);
  const stored = end.stored - there;
  const after = cpuOf(program, servers);
  const whole_s = (performance.now() - began) / 1_000;
  const elapsed_s = what.drain_seconds_max === undefined ? sent.duration_s : whole_s;
  return {
    rate: stored / elapsed_s,
    acknowledged_rate: acknowledged / sent.duration_s,
    p50_ms: sent.p50_ms,
    p99_ms: sent.p99_ms,
    failed: sent.failed,
    cost_ms_per_event: costs(sent, after, before, stored),
    generator_share: sent.cpu_s / sent.duration_s / navigator.hardwareConcurrency,
    others_share: othersShare(after, before, whole_s),
    resident_peak_mib: residentMib(program.pid)?.peak,
    drained: end.empty,
  };
}
