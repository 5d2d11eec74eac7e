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
import { type Machine, machine } from "../stress/machine.ts";
import { type Grown, measureGrowth } from "./growth.ts";
import { cpuOf, type Measured, othersShare } from "./measure.ts";
import { type MemoryFound, measureMemory } from "./memory.ts";
import { type StatementKind, storeAlone } from "./postgres-alone.ts";
import { migrate, startAggregator, startEcho, startNaive } from "./programs.ts";
import { type BenchOptions, checkpoint, load, type Setting, tidyUp, timed } from "./setting.ts";
import { SUBJECTS, type Subject } from "./subjects.ts";
import { type IdVersion, templateFile } from "./templates.ts";
import { measureVisible, type Visible } from "./visible.ts";
import { findWrk } from "./wrk.ts";

export interface BenchResult {
  readonly began_at: string;
  readonly options: { readonly rounds: number; readonly seconds: number; readonly ids: IdVersion };
  readonly machine: Machine;
  readonly measured: Readonly<Partial<Record<Subject, readonly Measured[]>>>;
  /** At half of what the same round reached with single events. */
  readonly visible: readonly Visible[];
  readonly memory: MemoryFound | undefined;
  readonly growth: readonly Grown[];
}

/** Enough for a container's Postgres, the same for all that is compared; checkpoints only where they are asked for. */
const POSTGRES_SETTINGS = { shared_buffers: "256MB", max_wal_size: "8GB", checkpoint_timeout: "30min" };
const DRAIN_SECONDS_MAX = 30;
const VISIBLE_SECONDS = 6;
/** The naive design never catches up with a generator that does not wait; by then its rate is long settled. */
const NAIVE_DRAIN_SECONDS_MAX = 5;

const schemaOf = (what: Subject | "visible", round: number): string => `bench_${what}_${round}`;

async function alone(setting: Setting, name: string, kind: StatementKind): Promise<Measured> {
  const { installation, options } = setting;
  await migrate(installation, name);
  const before = cpuOf(undefined, setting.servers);
  const { events, elapsed_s, whole_s } = await storeAlone(
    { root: options.root, url: installation.backing.postgres_url, schema: name },
    options.seconds,
    options.ids,
    kind,
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
    others_share: othersShare(cpuOf(undefined, setting.servers), before, whole_s),
    resident_peak_mib: undefined,
    drained: true,
  };
}

async function measureSubject(setting: Setting, subject: Subject, round: number): Promise<Measured> {
  const { options, installation } = setting;
  const name = schemaOf(subject, round);
  const ours = async (events_per_request: number): Promise<Measured> =>
    timed(setting, await startAggregator(installation, name), load(options, events_per_request, DRAIN_SECONDS_MAX));
  const naive = async (events_per_request: number): Promise<Measured> =>
    timed(setting, await startNaive(installation.backing), load(options, events_per_request, NAIVE_DRAIN_SECONDS_MAX));
  switch (subject) {
    case "echo":
      return timed(setting, await startEcho(), load(options, 1, undefined));
    case "single":
      return ours(1);
    case "batch_100":
      return ours(100);
    case "batch_1000":
      return ours(1_000);
    case "postgres":
      return alone(setting, name, "audited");
    case "unaudited":
      return alone(setting, name, "unaudited");
    case "naive_single":
      return naive(1);
    case "naive_100":
      return naive(100);
  }
}

async function visibleAtHalfPeak(setting: Setting, peak_per_s: number, round: number): Promise<Visible> {
  const program = await startAggregator(setting.installation, schemaOf("visible", round));
  try {
    return await measureVisible(program.base, Math.round(peak_per_s / 2), VISIBLE_SECONDS);
  } finally {
    await program.stop();
  }
}

async function rounds(setting: Setting): Promise<Pick<BenchResult, "measured" | "visible">> {
  const { options, say } = setting;
  const measured: Partial<Record<Subject, Measured[]>> = {};
  const visible: Visible[] = [];
  for (let round = 1; round <= options.rounds; round += 1) {
    const label = `round ${round}/${options.rounds}`;
    for (const subject of options.only) {
      options.signal.throwIfAborted();
      const one = await measureSubject(setting, subject, round);
      await tidyUp(setting, schemaOf(subject, round));
      await checkpoint(setting);
      measured[subject] = [...(measured[subject] ?? []), one];
      const rate = Math.round(one.rate).toLocaleString("en-GB");
      say(`${label}  ${rate.padStart(9)} events/s  ${SUBJECTS[subject]}`);
      if (subject === "single") {
        const seen = await visibleAtHalfPeak(setting, one.rate, round);
        await tidyUp(setting, schemaOf("visible", round));
        await checkpoint(setting);
        visible.push(seen);
        say(`${label}  ${seen.p99_ms.toFixed(0).padStart(9)} ms p99    from publish to visible at half of that`);
      }
    }
  }
  return { measured, visible };
}

async function memory(setting: Setting): Promise<MemoryFound> {
  setting.say("memory  at rest, and with a million events in the queue");
  const found = await measureMemory(setting);
  await tidyUp(setting, undefined);
  return found;
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
    const setting: Setting = { options, wrk, templates, servers: { redis, postgres }, installation, say };
    const found = await rounds(setting);
    const { rounds: repeated, seconds, ids } = options;
    return {
      began_at,
      options: { rounds: repeated, seconds, ids },
      machine: machine(),
      ...found,
      memory: options.memory ? await memory(setting) : undefined,
      growth: options.growth.length > 0 ? await measureGrowth(setting) : [],
    };
  } finally {
    await Promise.allSettled([redis.stop(), postgres.stop()]);
    await rm(folder, { recursive: true, force: true });
  }
}
