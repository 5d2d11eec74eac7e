/**
 * One episode: load, faults one after the other, each healed and recovered from, then a quiet end, and the check.
 */
import { Draw } from "@sekali/aggregator/harness/draw";
import { within } from "@sekali/aggregator/harness/eventually";
import { drained, type Stats } from "@sekali/aggregator/harness/stats-watch";
import { check, type Verdict } from "./check/checker.ts";
import { readStored } from "./check/rows.ts";
import type { Fault } from "./faults/fault.ts";
import type { Servers } from "./stack/servers.ts";
import { type Bounds, World } from "./stack/world.ts";

export interface EpisodeOptions {
  readonly fault: Fault;
  readonly injections: number;
  readonly seed: number;
  readonly bounds: Bounds;
  readonly aggregators: number;
  readonly binary: string | undefined;
}

export interface EpisodeResult extends Verdict {
  readonly fault: string;
  readonly seed: number;
  readonly injections: number;
  /** Deliveries by what their publishers know of them. */
  readonly deliveries: { readonly ok: number; readonly failed: number; readonly unknown: number };
  readonly stats_replies: number;
  readonly position_looks: number;
  readonly longest_recovery_ms: number;
  readonly resident_bytes_max: number;
  /** The longest stretch for which the harness itself got no processor; no time here includes such stretches. */
  readonly longest_stall_ms: number;
  readonly tally: Readonly<Record<string, number>>;
  readonly took_ms: number;
  /** The end of the aggregators' logs, where something is wrong. */
  readonly logs?: readonly string[];
}

const WARM_UP_DELIVERIES = 60;
const BETWEEN_MS_MAX = 150;
const INJECTION_MS_MAX = 90_000;
/** What must be quicker is judged afterwards. */
const DRAIN_MS_MAX = 60_000;
const LOG_TAIL_LINES = 400;
/** Each process claims what it saw acknowledged and Redis lost, a second after it could know: then all say the same. */
const CLAIMS_MS = 1500;

/** What no log may hold, whatever was done to the process. */
const CRASH = /unhandled|uncaught|panic\b|segmentation|\b(Type|Reference|Range|Syntax)Error\b|"level":"?(fatal|60)/i;

let episodes = 0;

export async function runEpisode(servers: Servers, options: EpisodeOptions): Promise<EpisodeResult> {
  const { fault, seed, bounds, binary, aggregators } = options;
  const began = performance.now();
  const draw = new Draw(seed);
  episodes += 1;
  const name = `chaos_${process.pid}_${episodes}`;
  const loses = fault.loses ?? false;
  const world = await World.open({ name, servers, draw, bounds, binary, aggregators, loses });
  try {
    const injections = await injectAll(world, options, draw);
    const stats = await quieten(world);
    const stored = await readStored(world.sql);
    const verdict = check({ history: world.history, stored, stats });
    inspect(world);
    const { ok, failed, unknown } = world.history.deliveries;
    const complaints = [...world.complaints, ...verdict.complaints];
    return {
      fault: fault.name,
      seed,
      injections,
      ...verdict,
      deliveries: { ok, failed, unknown },
      stats_replies: world.stats.reduce((sum, { replies }) => sum + replies, 0),
      position_looks: world.positions.looks,
      longest_recovery_ms: Math.round(world.longestRecoveryMs),
      resident_bytes_max: world.memory.largestBytes,
      longest_stall_ms: Math.round(world.clock.longestStallMs),
      tally: Object.fromEntries(world.tally),
      took_ms: Math.round(performance.now() - began),
      complaints,
      ...(complaints.length === 0 ? {} : { logs: world.nodes.flatMap(({ logs }) => logs.slice(-LOG_TAIL_LINES)) }),
    };
  } finally {
    await world.close();
  }
}

/** Gives how many injections were made; one that fails ends the row of them, and is a complaint. */
async function injectAll(world: World, { fault, injections }: EpisodeOptions, draw: Draw): Promise<number> {
  for (let made = 0; made < injections; made += 1) {
    try {
      await world.clients.acknowledged(WARM_UP_DELIVERIES);
      await Bun.sleep(draw.random() * BETWEEN_MS_MAX);
      await within(fault.inject(world, draw.fork()), INJECTION_MS_MAX, `injection ${made + 1}`);
      await world.recovered();
    } catch (error) {
      const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
      world.complain(`injection ${made + 1} of ${fault.name} failed: ${reason}`);
      return made;
    }
  }
  return injections;
}

/** Ends the load and waits until nothing is queued; gives every aggregator's last word. */
async function quieten(world: World): Promise<Stats[]> {
  await world.clients.stop();
  const before = world.clock.now();
  if (world.options.loses) await Bun.sleep(CLAIMS_MS);
  const stats: Stats[] = [];
  for (const node of world.nodes) {
    try {
      stats.push(await drained(() => node.directUrl, DRAIN_MS_MAX));
    } catch (error) {
      world.complain(`P5: not drained: ${String(error)}`);
    }
  }
  const tookMs = Math.round(world.clock.now() - before);
  if (tookMs > world.bounds.recoveryMs) world.complain(`P5: drained only after ${tookMs} ms`);
  world.longestRecoveryMs = Math.max(world.longestRecoveryMs, tookMs);
  await world.positions.stop();
  for (const watch of world.stats) await watch.stop().catch((error: Error) => world.complain(error.message));
  return stats;
}

/** What the eyes have seen, and what the logs say. */
function inspect(world: World): void {
  for (const fault of world.positions.faults.slice(0, 3)) world.complain(fault);
  if (world.positions.looks === 0) world.complain("the positions were never seen");
  const { largestBytes } = world.memory;
  if (largestBytes > world.bounds.residentBytes) world.complain(`an aggregator took ${largestBytes} bytes of memory`);
  const crashes = world.nodes.flatMap(({ logs }) => logs.filter((line) => CRASH.test(line)));
  for (const line of crashes.slice(0, 3)) world.complain(`in the log: ${line}`);
  const refused = world.history.attempts.filter(({ outcome }) => outcome === "failed");
  for (const { answer } of refused.slice(0, 3)) world.complain(`a sound event was refused: ${answer}`);
}
