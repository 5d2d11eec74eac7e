/** `GET /stats`: the counts, exactly (P3), by topic too, and who resends. */
import type { Caller } from "../access/caller.ts";
import type { Queue } from "../queue/port.ts";
import type { Route } from "../route.ts";
import type { AuditReader, Resending } from "../store/audit-port.ts";
import type { EventStore } from "../store/port.ts";
import type { Stuck } from "../worker/shard-worker.ts";
import { readCounts, sumOf } from "./counts.ts";
import { NO_PARAMETERS, readParameters } from "./parameters.ts";
import { SHOW_STATS } from "./stats-endpoint.ts";

/** Who resends changes slowly and takes some milliseconds to find out: not anew for each of many readers. */
const RESENDING_KEPT_MS = 2000;

export interface StatsExtras {
  readonly stuck: readonly Stuck[];
}

export class StatsRoute {
  readonly routes: readonly Route[] = [
    {
      ...SHOW_STATS,
      handle: (request, _, caller) => {
        readParameters(request, NO_PARAMETERS);
        return this.handle(caller);
      },
    },
  ];
  readonly #store: EventStore;
  readonly #queue: Queue;
  readonly #audit: Pick<AuditReader, "resending">;
  readonly #extras: () => StatsExtras;
  readonly #startedAtMs = performance.now();
  #resending: { readonly answer: Promise<Resending>; readonly askedAtMs: number } | undefined;

  constructor(store: EventStore, queue: Queue, audit: Pick<AuditReader, "resending">, extras: () => StatsExtras) {
    this.#store = store;
    this.#queue = queue;
    this.#audit = audit;
    this.#extras = extras;
  }

  async handle(caller: Caller): Promise<Response> {
    const { tally, counts } = await readCounts(this.#store, this.#queue);
    const resending = await this.#findResending();
    // The topic '' counts dead letters, whose own topic can't be trusted. The sums are over all topics, whoever asks:
    // they say nothing of any one, and add up only as a whole (P3).
    const named = [...tally.topics].filter(([topic]) => topic !== "" && caller.allows(topic));
    return Response.json({
      ...counts,
      conflicts: sumOf(tally, "conflicts"),
      dead_letters_open: tally.deadOpen,
      lost: tally.lost,
      topics: named.map(([topic]) => topic),
      uptime: formatUptime(performance.now() - this.#startedAtMs),
      topic_counts: Object.fromEntries(named),
      // A source may send to any topic, so who resends is for those who may read all of them.
      resending: caller.allowsAll ? resending : { ...resending, sources: [] },
      stuck_shards: this.#extras().stuck.map(describeStuck),
    });
  }

  async #findResending(): Promise<Resending> {
    const kept = this.#resending;
    const now = performance.now();
    if (kept !== undefined && now - kept.askedAtMs < RESENDING_KEPT_MS) return kept.answer;
    const asked = { answer: this.#audit.resending(), askedAtMs: now };
    this.#resending = asked;
    asked.answer.catch(() => {
      if (this.#resending === asked) this.#resending = undefined;
    });
    return asked.answer;
  }
}

/** H:MM:SS */
export function formatUptime(ms: number): string {
  const seconds = Math.floor(ms / 1000);
  const two = (n: number) => String(n).padStart(2, "0");
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

/** The reason is a driver's text and stays in the log. */
export function describeStuck({ shard, sinceMs, oldestAddedAtMs }: Stuck) {
  const seconds = (ms: number) => Math.max(0, Math.round((Date.now() - ms) / 1000));
  return {
    shard,
    stuck_seconds: seconds(sinceMs),
    oldest_delivery_seconds: oldestAddedAtMs === undefined ? null : seconds(oldestAddedAtMs),
  };
}
