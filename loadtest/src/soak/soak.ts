/**
 * `make soak`: does anything grow that should not? A stack of its own works for half an hour at two thirds of the peak
 * that the same clients reach on the same machine, just before; the figures of `gauges.ts` are read throughout and must
 * be flat over the second half. Then everything is recounted, as after every other run.
 */
import { join } from "node:path";
import { SQL } from "bun";
import { TEMPLATE_TOPICS } from "../bench/templates.ts";
import { RunningStack } from "../stack/own-stack.ts";
import { type Machine, machine } from "../stress/machine.ts";
import { progressOn } from "../stress/progress.ts";
import type { Check } from "../stress/recount.ts";
import { readStats } from "../stress/service.ts";
import { Watch } from "../stress/watch.ts";
import { type Trend, trendOf } from "./flat.ts";
import { GAUGES, type Gauged, type GaugeName, Gauges } from "./gauges.ts";

export interface SoakOptions {
  readonly minutes: number;
  readonly root: string;
  /** Compiled, or undefined for the sources. */
  readonly binary: string | undefined;
  readonly signal: AbortSignal;
}

/** What the clients counted. */
export interface Sent {
  attempted: number;
  acknowledged: number;
  /** Different events made. */
  identities: number;
  requests: number;
  /** Attempts that failed and were repeated. */
  failed: number;
  given_up: number;
  elapsed_s: number;
}

export interface SoakSample extends Gauged {
  readonly at_s: number;
  readonly received: number;
}

export interface SoakReport {
  readonly began_at: string;
  readonly minutes: number;
  readonly peak_events_per_s: number;
  readonly asked_events_per_s: number;
  readonly sent: Sent;
  readonly samples: readonly SoakSample[];
  readonly trends: Readonly<Record<GaugeName, Trend>>;
  readonly checks: readonly Check[];
  readonly machine: Machine;
  readonly passed: boolean;
}

const PEAK_SECONDS = 20;
const SHARE_OF_PEAK = 2 / 3;
const SLOW_CLIENTS = 40;
const SAMPLES = 240;
const SAMPLE_MS_MIN = 2_000;
/** Slow clients finish what they have begun. */
const GRACE_MS = 120_000;
/** Of the asked rate; below it the run was of another load than it says. */
const REACHED_SHARE_MIN = 0.9;
const POLL_MS = 1_000;

const OWN_STACK = { aggregators: [{}], faults: [], memory_growth_mib_max: undefined };

async function traffic(base: string, events_per_s: number, seconds: number, signal: AbortSignal): Promise<Sent> {
  const program = join(import.meta.dir, "traffic", "main.ts");
  const options = [base, String(events_per_s), String(seconds), String(SLOW_CLIENTS)];
  const child = Bun.spawn([process.execPath, program, ...options], {
    stdout: "pipe",
    stderr: "inherit",
    timeout: seconds * 1_000 + GRACE_MS,
    signal,
  });
  const text = await new Response(child.stdout).text();
  signal.throwIfAborted();
  if ((await child.exited) !== 0) throw new Error(`the clients of the soak have failed: ${text}`);
  return JSON.parse(text) as Sent;
}

/** What the clients reach when they don't wait, until it is stored. */
async function peakOf(base: string, signal: AbortSignal): Promise<{ sent: Sent; stored_per_s: number }> {
  const watch = await Watch.begin(base, TEMPLATE_TOPICS, POLL_MS);
  const began = performance.now();
  const sent = await traffic(base, 0, PEAK_SECONDS, signal);
  const sending_s = (performance.now() - began) / 1_000;
  const drain_s = await watch.drained(0);
  // The slow clients' last requests take seconds in which nobody else sends.
  const stored_per_s =
    sent.acknowledged / (sent.elapsed_s + Math.max(0, (drain_s ?? 0) - (sending_s - sent.elapsed_s)));
  return { sent, stored_per_s };
}

async function sampleUntil(ended: Promise<unknown>, watch: Watch, gauges: Gauges, every_ms: number) {
  const samples: SoakSample[] = [];
  let isOver = false;
  const over = ended.finally(() => {
    isOver = true;
  });
  over.catch(() => {});
  while (!isOver) {
    const { received, queued } = watch.last;
    const gauged = await gauges.read(queued);
    samples.push({ at_s: watch.elapsed_s, received: received - watch.first.received, ...gauged });
    await Promise.race([Bun.sleep(every_ms), over.catch(() => {})]);
  }
  return samples;
}

export async function soak(options: SoakOptions, say: (line: string) => void): Promise<SoakReport> {
  const began_at = new Date().toISOString();
  const folder = join(options.root, "loadtest", "reports");
  const logs = join(folder, `soak-${began_at.slice(0, 19).replaceAll(":", "")}`);
  say("starting a Redis, a Postgres and an aggregator of its own");
  const stack = await RunningStack.start(OWN_STACK, { root: options.root, binary: options.binary, logs });
  const gauges = new Gauges(stack);
  try {
    const base = stack.program(0).base;
    const peak = await peakOf(base, options.signal);
    const asked = Math.round(peak.stored_per_s * SHARE_OF_PEAK);
    say(`peak ${Math.round(peak.stored_per_s)} events/s; ${options.minutes} minutes at ${asked} events/s`);
    const watch = await Watch.begin(base, TEMPLATE_TOPICS, POLL_MS);
    const seconds = options.minutes * 60;
    const progress = progressOn(process.stdout);
    watch.start((sample) => progress.show(sample, seconds));
    const running = traffic(base, asked, seconds, options.signal);
    const every_ms = Math.max(SAMPLE_MS_MIN, (seconds * 1_000) / SAMPLES);
    const samples = (await sampleUntil(running, watch, gauges, every_ms)).filter(({ at_s }) => at_s <= seconds);
    const sent = await running;
    await watch.stop();
    progress.end();
    const drained = (await watch.drained(0)) !== undefined;
    const trends = Object.fromEntries(
      Object.entries(GAUGES).map(([name, { tolerance }]) => {
        const readings = samples.map((sample) => ({ at_s: sample.at_s, value: sample[name as GaugeName] }));
        return [name, trendOf(readings, tolerance)];
      }),
    ) as Record<GaugeName, Trend>;
    const checks = [
      ...flatness(trends),
      ...counted(peak.sent, sent, await readStats(base), await rowsOf(stack), watch, drained),
      reached(asked, sent),
    ];
    const found = {
      began_at,
      minutes: options.minutes,
      peak_events_per_s: peak.stored_per_s,
      asked_events_per_s: asked,
    };
    const passed = checks.every((check) => check.passed);
    return { ...found, sent, samples, trends, checks, machine: machine(), passed };
  } finally {
    await gauges.close();
    await stack.stop();
  }
}

function flatness(trends: Readonly<Record<GaugeName, Trend>>): Check[] {
  return Object.entries(GAUGES).map(([name, { name: title, unit }]) => {
    const { mean, growth, growth_max, flat } = trends[name as GaugeName];
    const figure = (value: number) => `${value.toFixed(1)}${unit === "" ? "" : ` ${unit}`}`;
    return {
      name: `${title}: flat`,
      expected: `+${figure(growth_max)} at most in the second half`,
      found: `${growth >= 0 ? "+" : "−"}${figure(Math.abs(growth))} about ${figure(mean)}`,
      passed: flat,
    };
  });
}

/** Nothing else publishes to this stack, so its counters are held to both phases' clients together. */
function counted(
  before: Sent,
  during: Sent,
  stats: Awaited<ReturnType<typeof readStats>>,
  rows: { identities: number; events: number },
  watch: Watch,
  drained: boolean,
): Check[] {
  const acknowledged = before.acknowledged + during.acknowledged;
  const attempted = before.attempted + during.attempted;
  const identities = before.identities + during.identities;
  const whole = (name: string, expected: number, found: number): Check => ({
    name,
    expected: String(expected),
    found: String(found),
    passed: expected === found,
  });
  return [
    {
      name: "deliveries received",
      expected: attempted === acknowledged ? String(acknowledged) : `${acknowledged} to ${attempted}`,
      found: String(stats.received),
      passed: stats.received >= acknowledged && stats.received <= attempted,
    },
    whole("requests given up", 0, before.given_up + during.given_up),
    whole("identities stored", identities, rows.identities),
    whole("events stored", identities, rows.events),
    whole("unique_processed", identities, stats.unique_processed),
    whole("received − unique − duplicates", 0, stats.received - stats.unique_processed - stats.duplicate_dropped),
    whole("lost", 0, stats.lost),
    whole("replies of /stats that broke the sum", 0, watch.violations.length),
    { name: "queue empty at the end", expected: "yes", found: drained ? "yes" : "no", passed: drained },
  ];
}

function reached(asked: number, sent: Sent): Check {
  const rate = sent.acknowledged / sent.elapsed_s;
  return {
    name: "events a second that were acknowledged",
    expected: `${Math.round(asked * REACHED_SHARE_MIN)} at least`,
    found: String(Math.round(rate)),
    passed: rate >= asked * REACHED_SHARE_MIN,
  };
}

/** Counted from the rows, not by the service. */
async function rowsOf(stack: RunningStack): Promise<{ identities: number; events: number }> {
  const sql = new SQL(stack.database.url, { max: 1 });
  try {
    const { schema } = stack.database;
    const [row] = await sql.unsafe(`SELECT (SELECT count(*) FROM "${schema}".identities)::float8 AS identities,
      (SELECT count(*) FROM "${schema}".events)::float8 AS events`);
    return { identities: Number(row.identities), events: Number(row.events) };
  } finally {
    await sql.close();
  }
}
