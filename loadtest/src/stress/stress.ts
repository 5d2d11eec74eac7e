/**
 * One load run: read `/stats`, let k6 send, wait until the queue is empty, and recount. A speed without a recount is no
 * result, so the run fails when a single figure does not agree, however fast it was.
 */
import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  type ExpectedIdentities,
  expectedIdentities,
  LOAD_TOPICS,
  RACES,
  type Run,
  raceIdentities,
} from "../../k6/plan.ts";
import { type Profile, secondsPlanned } from "../../k6/profiles.ts";
import { RunningStack } from "../stack/own-stack.ts";
import type { Companion } from "./companion.ts";
import { Faults } from "./faults.ts";
import { FloodWatch } from "./flood.ts";
import { type Environment, findK6, type K6, runK6 } from "./k6.ts";
import { machine } from "./machine.ts";
import { Memory } from "./memory.ts";
import { progressOn } from "./progress.ts";
import { Readers } from "./readers.ts";
import { type Check, recount, type Sent } from "./recount.ts";
import { count, type Report } from "./report.ts";
import { type DatabasePlace, type Rows, rowsFromEvents, rowsFromPostgres } from "./rows.ts";
import { countsOf, readStats, type TopicCounts } from "./service.ts";
import { Summary } from "./summary.ts";
import { Watch } from "./watch.ts";

export interface StressOptions {
  readonly profile: Profile;
  readonly targets: readonly [string, ...string[]];
  readonly database: DatabasePlace | undefined;
  readonly seed: number;
  /** The project's folder. */
  readonly root: string;
  readonly inherited: Environment;
  readonly signal: AbortSignal;
  /** Compiled, or undefined for the sources: what a stack of the run's own consists of. */
  readonly binary: string | undefined;
}

/** The service that a run is for: the given one, or the run's own. */
interface Subject {
  readonly targets: readonly [string, ...string[]];
  readonly database: DatabasePlace | undefined;
  readonly stack: RunningStack | undefined;
}

interface Files {
  readonly stem: string;
  readonly summary: string;
  readonly console: string;
  readonly log: string;
  readonly dashboard: string;
}

function filesOf(folder: string, profile: Profile, run: Run): Files {
  const moment = new Date(run.started_at_ms).toISOString().slice(0, 19).replaceAll(":", "");
  const stem = join(folder, `${profile.name}-${moment}`);
  return {
    stem,
    summary: `${stem}.k6.json`,
    console: `${stem}.console.log`,
    log: `${stem}.k6.log`,
    dashboard: `${stem}.k6.html`,
  };
}

/** Which requests ended without an answer, by stream. The scripts say so, one line each. */
async function unknownRequests(console: string): Promise<Map<string, Set<number>>> {
  const unknown = new Map<string, Set<number>>();
  const text = existsSync(console) ? await Bun.file(console).text() : "";
  for (const [, stream = "", request] of text.matchAll(/(?:given_up|wrong) (\w+) (\d+)/g)) {
    const requests = unknown.get(stream) ?? new Set();
    requests.add(Number(request));
    unknown.set(stream, requests);
  }
  return unknown;
}

function expectedOf(
  profile: Profile,
  run: Run,
  summary: Summary,
  unknown: Map<string, Set<number>>,
): ExpectedIdentities {
  const all: ExpectedIdentities = { must: [], may: [] };
  if (profile.kind === "races") {
    for (const race of RACES) {
      for (let round = 0; round < profile.rounds; round += 1) {
        all.must.push(...raceIdentities(run, profile, race, round));
      }
    }
    return all;
  }
  for (const stream of profile.streams) {
    const requests = summary.count("requests_started", stream.name);
    const { must, may } = expectedIdentities(run, stream, requests, unknown.get(stream.name) ?? new Set());
    // A loop, because a soak has more identities than a call takes arguments.
    for (const one of must) all.must.push(one);
    for (const one of may) all.may.push(one);
  }
  return all;
}

function toldStored(profile: Profile, run: Run, summary: Summary, expected: ExpectedIdentities): Sent["told_stored"] {
  if (profile.kind === "races") {
    return { found: summary.count("told_stored"), expected: expected.must.length };
  }
  const waiting = profile.streams.find((stream) => stream.ack === "stored");
  if (waiting === undefined) {
    return undefined;
  }
  const requests = summary.count("requests_started", waiting.name);
  const { must, may } = expectedIdentities(run, waiting, requests, new Set());
  return { found: summary.count("told_stored"), expected: must.length + may.length };
}

function sentOf(profile: Profile, run: Run, summary: Summary, expected: ExpectedIdentities): Sent {
  return {
    attempted: summary.count("deliveries_attempted"),
    acknowledged: summary.count("deliveries_acknowledged"),
    identities_acknowledged: profile.kind === "load" ? summary.count("identities_acknowledged") : undefined,
    told_stored: toldStored(profile, run, summary, expected),
    given_up: summary.count("requests_given_up"),
  };
}

async function load(k6: K6, options: StressOptions, { targets }: Subject, run: Run, files: Files): Promise<Summary> {
  const { profile, root } = options;
  const script = profile.kind === "races" ? "races.ts" : "stress.ts";
  const code = await runK6(k6, {
    script: join(root, "loadtest", "k6", script),
    environment: {
      LOAD_PROFILE: profile.name,
      LOAD_RUN: run.run,
      LOAD_SEED: String(run.seed),
      LOAD_STARTED_AT_MS: String(run.started_at_ms),
      LOAD_TARGETS: targets.map((url) => k6.target(url)).join(","),
      LOAD_SUMMARY_FILE: k6.path(files.summary),
    },
    log: files.log,
    console: files.console,
    dashboard: files.dashboard,
    signal: options.signal,
  });
  options.signal.throwIfAborted();
  if (!existsSync(files.summary)) {
    const log = (await Bun.file(files.log).text()).slice(-2_000);
    throw new Error(`k6 ended with code ${code} and left no summary; the end of its log:\n${log}`);
  }
  return new Summary(await Bun.file(files.summary).json());
}

async function watched<T>(profile: Profile, watch: Watch, companions: readonly Companion[], work: () => Promise<T>) {
  const planned_s = secondsPlanned(profile);
  const progress = progressOn(process.stdout);
  let begun = false;
  watch.start((sample) => {
    if (!begun) {
      begun = true;
      for (const companion of companions) {
        companion.begin(watch);
      }
    }
    progress.show(sample, planned_s);
  });
  try {
    return await work();
  } finally {
    await watch.stop();
    progress.end();
  }
}

function companionsOf({ profile, signal }: StressOptions, { stack, targets }: Subject, run: Run): Companion[] {
  const companions: Companion[] = [];
  if (stack !== undefined && profile.stack !== undefined) {
    const { faults, memory_growth_mib_max } = profile.stack;
    companions.push(...(faults.length > 0 ? [new Faults(stack, faults, signal)] : []));
    companions.push(...(memory_growth_mib_max === undefined ? [] : [new Memory(stack, memory_growth_mib_max)]));
  }
  if (profile.kind === "load") {
    const { readers, flood } = profile;
    companions.push(...(readers > 0 ? [new Readers(targets[0], LOAD_TOPICS, run.started_at_ms, readers)] : []));
    companions.push(...(flood === undefined ? [] : [new FloodWatch(flood, secondsPlanned(profile))]));
  }
  return companions;
}

function rowsOf({ database, targets }: Subject, run: Run, expected: ExpectedIdentities): Promise<Rows> {
  return database === undefined
    ? rowsFromEvents(targets[0], LOAD_TOPICS, run.started_at_ms)
    : rowsFromPostgres(database, LOAD_TOPICS, run.started_at_ms, [...expected.must, ...expected.may]);
}

/** Without a refusal the flood was none, and the run has shown nothing. */
function floodChecks(profile: Profile, summary: Summary): Check[] {
  if (profile.kind !== "load" || profile.flood === undefined) {
    return [];
  }
  const refused = summary.count("replies_overloaded");
  return [{ name: "requests refused with 503", expected: "some", found: count(refused), passed: refused > 0 }];
}

function growthOf(watch: Watch): TopicCounts {
  const [before, after] = [countsOf(watch.first, LOAD_TOPICS), countsOf(watch.last, LOAD_TOPICS)];
  return {
    unique_processed: after.unique_processed - before.unique_processed,
    duplicate_dropped: after.duplicate_dropped - before.duplicate_dropped,
    dead_lettered: after.dead_lettered - before.dead_lettered,
  };
}

async function loadAndRecount(
  options: StressOptions,
  subject: Subject,
  run: Run,
  files: Files,
  say: (line: string) => void,
): Promise<Report> {
  const { profile } = options;
  // First the service: getting k6 can take minutes, and would be in vain where nothing answers.
  await readStats(subject.targets[0]);
  const k6 = await findK6({ ...options, targets: subject.targets, say });
  const watch = await Watch.begin(subject.targets[0], LOAD_TOPICS, profile.stats_poll_ms);
  const companions = companionsOf(options, subject, run);
  say(`to ${subject.targets.join(", ")} with k6 ${k6.version} (${k6.origin}), seed ${run.seed}, run ${run.run}`);
  say("k6 is preparing what it will send");
  const summary = await watched(profile, watch, companions, () => load(k6, options, subject, run, files));
  say("waiting for the queue, then recounting");
  const drain_s = await watch.drained(summary.count("deliveries_acknowledged"));
  const findings = await Promise.all(companions.map((companion) => companion.end(watch)));
  const expected = expectedOf(profile, run, summary, await unknownRequests(files.console));
  const rows = await rowsOf(subject, run, expected);

  const growth = growthOf(watch);
  const sent = sentOf(profile, run, summary, expected);
  const seen = {
    replies: watch.samples.length,
    violations: watch.violations,
    lost_growth: watch.last.lost - watch.first.lost,
    dead_lettered_growth: watch.last.dead_lettered - watch.first.dead_lettered,
    drained: drain_s !== undefined,
  };
  const checks = [
    ...recount({ sent, expected, growth, rows, watched: seen }),
    ...floodChecks(profile, summary),
    ...findings.flatMap((one) => one.checks),
  ];
  const crossed = summary.crossed();
  return {
    profile: profile.name,
    purpose: profile.purpose,
    run,
    passed: crossed.length === 0 && checks.every((check) => check.passed),
    sending_s: summary.duration_s,
    drain_s,
    requests: summary.count("requests_started"),
    sent,
    growth,
    replies_overloaded: summary.count("replies_overloaded"),
    replies_lost: summary.count("replies_lost"),
    dropped_iterations: summary.count("dropped_iterations"),
    acknowledge_ms: summary.trend("acknowledge_ms"),
    stored_ms: summary.trend("stored_ms"),
    rows_from: rows.source,
    checks,
    crossed,
    violations: watch.violations.slice(0, 20),
    machine: machine(),
    k6: `${k6.version} (${k6.origin})`,
    findings: findings.flatMap((one) => one.facts),
    samples: watch.loaded,
    files: { json: `${files.stem}.json`, html: `${files.stem}.html`, dashboard: files.dashboard },
  };
}

export async function stress(options: StressOptions, say: (line: string) => void): Promise<Report> {
  const { profile, root } = options;
  const folder = join(root, "loadtest", "reports");
  await mkdir(folder, { recursive: true });
  const run: Run = { run: randomUUID().replaceAll("-", ""), seed: options.seed, started_at_ms: Date.now() };
  const files = filesOf(folder, profile, run);
  say(`${profile.name}: ${profile.purpose}`);
  if (profile.stack === undefined) {
    return await loadAndRecount(options, { ...options, stack: undefined }, run, files, say);
  }
  say("starting a Redis, a Postgres and aggregators of its own");
  const stack = await RunningStack.start(profile.stack, { root, binary: options.binary, logs: files.stem });
  try {
    const subject = { targets: stack.targets(profile.stack), database: stack.database, stack };
    return await loadAndRecount(options, subject, run, files, say);
  } finally {
    await stack.stop();
  }
}
