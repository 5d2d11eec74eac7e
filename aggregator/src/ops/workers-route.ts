/**
 * `GET /workers`: what each worker loop of this process does, and where each shard stands.
 *
 * For people who watch, so it never fails: what can't be asked at the moment is null, and what a process knows by
 * itself is always there. It costs one statement and one Redis pipeline, at most twice a second, however many watch.
 */
import { NO_PARAMETERS, readParameters } from "../query/parameters.ts";
import { describeStuck } from "../query/stats-route.ts";
import type { Position, Queue } from "../queue/port.ts";
import type { Route } from "../route.ts";
import type { EventStore } from "../store/port.ts";
import type { LoopState } from "../worker/pool.ts";
import type { Stuck } from "../worker/shard-worker.ts";
import { SHOW_WORKERS } from "./workers-endpoint.ts";

const VALID_MS = 500;

export interface Workers {
  readonly loops: readonly LoopState[];
  readonly stuck: readonly Stuck[];
}

interface Standings {
  readonly positions: ReadonlyMap<number, Position>;
  /** Undefined: the queue is away. */
  readonly heads: ReadonlyMap<number, Position | undefined> | undefined;
}

export class WorkersRoute {
  readonly routes: readonly Route[] = [
    {
      ...SHOW_WORKERS,
      handle: (request) => {
        readParameters(request, NO_PARAMETERS);
        return this.handle();
      },
    },
  ];
  readonly #store: Pick<EventStore, "tally">;
  readonly #queue: Pick<Queue, "heads">;
  readonly #workers: Workers;
  readonly #now: () => number;
  #last: { readonly atMs: number; readonly standings: Promise<Standings | undefined> } | undefined;

  /** @param now milliseconds since the Unix epoch. */
  constructor(store: Pick<EventStore, "tally">, queue: Pick<Queue, "heads">, workers: Workers, now = Date.now) {
    this.#store = store;
    this.#queue = queue;
    this.#workers = workers;
    this.#now = now;
  }

  async handle(): Promise<Response> {
    const standings = await this.#standings();
    const { loops, stuck } = this.#workers;
    return Response.json({
      loops: loops.map((state, loop) => this.#describeLoop(loop, state)),
      shards: standings === undefined ? null : describeShards(standings, stuck),
    });
  }

  #describeLoop(loop: number, { shard, sinceMs }: LoopState) {
    const seconds = Math.max(0, Math.round((this.#now() - sinceMs) / 1000));
    return { loop, state: shard === undefined ? "idle" : "holding", shard: shard ?? null, seconds };
  }

  /** Undefined: the store is away. One read is shared by all who ask while it is under way, or soon after. */
  #standings(): Promise<Standings | undefined> {
    const now = this.#now();
    if (this.#last === undefined || now - this.#last.atMs > VALID_MS || now < this.#last.atMs) {
      this.#last = { atMs: now, standings: this.#read() };
    }
    return this.#last.standings;
  }

  async #read(): Promise<Standings | undefined> {
    const tally = await this.#store.tally().catch(() => undefined);
    if (tally === undefined) return undefined;
    const { positions } = tally;
    const shards = [...positions.keys()].toSorted((a, b) => a - b);
    const heads = shards.length === 0 ? [] : await this.#queue.heads(shards).catch(() => undefined);
    return { positions, heads: heads && new Map(shards.map((shard, index) => [shard, heads[index]])) };
  }
}

function describeShards({ positions, heads }: Standings, stuck: readonly Stuck[]) {
  return [...positions]
    .toSorted(([a], [b]) => a - b)
    .map(([shard, { epoch, seq }]) => {
      const head = heads?.get(shard);
      const trouble = stuck.find((each) => each.shard === shard);
      return {
        shard,
        position: { epoch, seq },
        head: head === undefined ? null : { epoch: head.epoch, seq: head.seq },
        queued: heads === undefined ? null : Math.max(0, (head?.seq ?? 0) - seq),
        stuck: trouble === undefined ? null : describeStuck(trouble),
      };
    });
}
