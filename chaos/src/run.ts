/**
 * Works through the episodes of a plan, several stacks at once. A lane keeps its plain servers from one episode to the
 * next, each in a schema and key prefix of its own; servers that something went wrong with are not used again.
 */
import { type EpisodeResult, runEpisode } from "./episode.ts";
import type { PlannedEpisode } from "./plan.ts";
import { type ServerNeeds, type Servers, startServers } from "./stack/servers.ts";
import type { Bounds } from "./stack/world.ts";

export interface RunOptions {
  readonly episodes: readonly PlannedEpisode[];
  readonly stacks: number;
  readonly aggregators: number;
  readonly bounds: Bounds;
  readonly binary: string | undefined;
  readonly signal: AbortSignal;
  readonly onResult: (result: EpisodeResult, done: number) => void;
}

export interface RunResult {
  readonly results: readonly EpisodeResult[];
  /** Faults that this machine can't give, with the reason. */
  readonly unavailable: Readonly<Record<string, string>>;
}

export async function runEpisodes(options: RunOptions): Promise<RunResult> {
  const waiting = options.episodes.values();
  const results: EpisodeResult[] = [];
  const unavailable: Record<string, string> = {};
  const lane = async () => {
    const home = new Lane(options);
    try {
      for (const episode of waiting) {
        if (options.signal.aborted) return;
        const needs = episode.fault.servers?.();
        if (needs !== undefined && "unavailable" in needs) {
          unavailable[episode.fault.name] = needs.unavailable;
          continue;
        }
        const result = await home.run(episode, needs);
        results.push(result);
        options.onResult(result, results.length);
      }
    } finally {
      await home.close();
    }
  };
  await Promise.all(Array.from({ length: Math.min(options.stacks, options.episodes.length) }, lane));
  return { results, unavailable };
}

class Lane {
  readonly #options: RunOptions;
  #plain: Servers | undefined;

  constructor(options: RunOptions) {
    this.#options = options;
  }

  /** `needs`: of servers of its own, where the plain ones won't do. */
  async run({ fault, injections, seed }: PlannedEpisode, needs: ServerNeeds | undefined): Promise<EpisodeResult> {
    const { bounds, binary, aggregators } = this.#options;
    let servers: Servers | undefined;
    let sound = false;
    try {
      if (needs === undefined) this.#plain ??= await startServers();
      servers = needs === undefined ? this.#plain : await startServers(needs);
      if (servers === undefined) throw new Error("no servers");
      const result = await runEpisode(servers, { fault, injections, seed, bounds, binary, aggregators });
      sound = result.complaints.length === 0;
      return result;
    } catch (error) {
      return broken(fault.name, seed, error);
    } finally {
      if (servers !== undefined && (servers !== this.#plain || !sound)) {
        if (servers === this.#plain) this.#plain = undefined;
        await servers.stop();
      }
    }
  }

  async close(): Promise<void> {
    await this.#plain?.stop();
  }
}

/** An episode that the harness itself could not finish is as red as one that found something. */
function broken(fault: string, seed: number, error: unknown): EpisodeResult {
  const reason = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return {
    fault,
    seed,
    injections: 0,
    missing: 0,
    lost: 0,
    doubled: 0,
    miscounted: 0,
    deliveries: { ok: 0, failed: 0, unknown: 0 },
    stats_replies: 0,
    position_looks: 0,
    longest_recovery_ms: 0,
    resident_bytes_max: 0,
    longest_stall_ms: 0,
    tally: {},
    took_ms: 0,
    complaints: [`the episode could not be finished: ${reason}`],
  };
}
