/**
 * `make bench`: the service beside its limits and beside the naive design, on the same machine in the same minutes.
 *
 * Everything is measured once a round, and the rounds are repeated: a machine that is slow for a while slows all
 * sides down. The reported figure is the median, the spread the least and the greatest. Each measurement begins
 * with empty tables and an empty queue; Redis and Postgres stay up in between.
 */
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPostgres, startRedis } from "@sekali/native";
import type { Program } from "../stack/program.ts";
import { type Machine, machine } from "../stress/machine.ts";
import { cpuOf, type Measured, type Measurement, measure, othersShare, type Servers } from "./measure.ts";
import { CONNECTIONS, EVENTS_PER_BATCH, storeAlone } from "./postgres-alone.ts";
import { type Installation, migrate, startAggregator, startEcho, startNaive } from "./programs.ts";
import { type IdVersion, templateFile } from "./templates.ts";
import { measureVisible, type Visible } from "./visible.ts";
import { findWrk } from "./wrk.ts";

export const SUBJECTS = {
  echo: "bare Elysia JSON echo, single events, answered",
  single: "Sekali, single events, stored",
  batch_100: "Sekali, batches of 100, stored",
  batch_1000: "Sekali, batches of 1,000, stored",
  postgres: `Postgres alone, same statement, ${CONNECTIONS} × sets of ${EVENTS_PER_BATCH.toLocaleString("en-GB")}`,
  naive_single: "naive design, single events, stored",
  naive_100: "naive design, batches of 100, stored",
} as const;

export type Subject = keyof typeof SUBJECTS;

export interface BenchOptions {
  readonly rounds: number;
  readonly seconds: number;
  readonly ids: IdVersion;
  readonly only: readonly Subject[];
  readonly root: string;
  /** Compiled, or undefined for the sources. */
  readonly binary: string | undefined;
  readonly signal: AbortSignal;
}

export interface BenchResult {
  readonly began_at: string;
  readonly options: { readonly rounds: number; readonly seconds: number; readonly ids: IdVersion };
  readonly machine: Machine;
  readonly measured: Readonly<Partial<Record<Subject, readonly Measured[]>>>;
  /** At half of what the same round reached with single events. */
  readonly visible: readonly Visible[];
}

interface Bench {
  readonly options: BenchOptions;
  readonly wrk: string;
  readonly templates: string;
  readonly servers: Servers;
  readonly installation: Installation;
}

/** Enough for a container's Postgres, and the same for all that is compared. */
const POSTGRES_SETTINGS = { shared_buffers: "256MB", max_wal_size: "4GB" };
const DRAIN_SECONDS_MAX = 30;
const VISIBLE_SECONDS = 6;
/** The naive design never catches up with a generator that does not wait; by then its rate is long settled. */
const NAIVE_DRAIN_SECONDS_MAX = 5;

function load(options: BenchOptions, events_per_request: number, drain_seconds_max: number | undefined): Measurement {
  const connections = events_per_request === 1 ? 128 : 16;
  return { events_per_request, connections, seconds: options.seconds, ids: options.ids, drain_seconds_max };
}

async function timed(bench: Bench, program: Program, what: Measurement): Promise<Measured> {
  try {
    return await measure(bench.wrk, bench.templates, program, bench.servers, what);
  } finally {
    await program.stop();
  }
}

async function alone(bench: Bench, name: string): Promise<Measured> {
  const { installation, options } = bench;
  await migrate(installation, name);
  const before = cpuOf(undefined, bench.servers);
  const { events, elapsed_s, whole_s } = await storeAlone(
    { root: options.root, url: installation.backing.postgres_url, schema: name },
    options.seconds,
    options.ids,
  );
  const rate = events / elapsed_s;
  const none = { generator: 0, service: undefined, redis: undefined, postgres: undefined };
  return {
    rate,
    acknowledged_rate: rate,
    p50_ms: 0,
    p99_ms: 0,
    failed: 0,
    cost_ms_per_event: none,
    generator_share: 0,
    others_share: othersShare(cpuOf(undefined, bench.servers), before, whole_s),
    resident_peak_mib: undefined,
    drained: true,
  };
}

async function measureSubject(bench: Bench, subject: Subject, round: number): Promise<Measured> {
  const { options, installation } = bench;
  const name = `bench_${subject}_${round}`;
  const ours = async (events_per_request: number): Promise<Measured> =>
    timed(bench, await startAggregator(installation, name), load(options, events_per_request, DRAIN_SECONDS_MAX));
  const naive = async (events_per_request: number): Promise<Measured> =>
    timed(bench, await startNaive(installation.backing), load(options, events_per_request, NAIVE_DRAIN_SECONDS_MAX));
  switch (subject) {
    case "echo":
      return timed(bench, await startEcho(), load(options, 1, undefined));
    case "single":
      return ours(1);
    case "batch_100":
      return ours(100);
    case "batch_1000":
      return ours(1_000);
    case "postgres":
      return alone(bench, name);
    case "naive_single":
      return naive(1);
    case "naive_100":
      return naive(100);
  }
}

async function visibleAtHalfPeak(bench: Bench, peak_per_s: number, round: number): Promise<Visible> {
  const program = await startAggregator(bench.installation, `bench_visible_${round}`);
  try {
    return await measureVisible(program.base, Math.round(peak_per_s / 2), VISIBLE_SECONDS);
  } finally {
    await program.stop();
  }
}

async function rounds(bench: Bench, say: (line: string) => void): Promise<Pick<BenchResult, "measured" | "visible">> {
  const measured: Partial<Record<Subject, Measured[]>> = {};
  const visible: Visible[] = [];
  for (let round = 1; round <= bench.options.rounds; round += 1) {
    const label = `round ${round}/${bench.options.rounds}`;
    for (const subject of bench.options.only) {
      bench.options.signal.throwIfAborted();
      const one = await measureSubject(bench, subject, round);
      measured[subject] = [...(measured[subject] ?? []), one];
      const rate = Math.round(one.rate).toLocaleString("en-GB");
      say(`${label}  ${rate.padStart(9)} events/s  ${SUBJECTS[subject]}`);
      if (subject === "single") {
        const seen = await visibleAtHalfPeak(bench, one.rate, round);
        visible.push(seen);
        say(`${label}  ${seen.p99_ms.toFixed(0).padStart(9)} ms p99    from publish to visible at half of that`);
      }
    }
  }
  return { measured, visible };
}

export async function runBench(options: BenchOptions, say: (line: string) => void): Promise<BenchResult> {
  const wrk = findWrk();
  const folder = await mkdtemp(join(tmpdir(), "sekali-bench-"));
  const templates = join(folder, "templates.txt");
  await Bun.write(templates, templateFile());
  await mkdir(join(options.root, "loadtest", "reports"), { recursive: true });
  say("starting a Redis and a Postgres of its own");
  const [redis, postgres] = await Promise.all([startRedis({}), startPostgres({ settings: POSTGRES_SETTINGS })]);
  try {
    const began_at = new Date().toISOString();
    const backing = { redis_url: redis.url, postgres_url: postgres.url };
    const installation = { root: options.root, binary: options.binary, backing };
    const bench: Bench = { options, wrk, templates, servers: { redis, postgres }, installation };
    const found = await rounds(bench, say);
    const { rounds: repeated, seconds, ids } = options;
    return { began_at, options: { rounds: repeated, seconds, ids }, machine: machine(), ...found };
  } finally {
    await Promise.allSettled([redis.stop(), postgres.stop()]);
    await rm(folder, { recursive: true, force: true });
  }
}
