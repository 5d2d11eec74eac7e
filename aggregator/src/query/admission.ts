/**
 * How many readers Postgres works for at once, and how many may wait for their turn: what is more is sent away at once.
 * Quick reads (the index says which rows), walks (rows are compared along it) and the pages of streams have places of
 * their own, so that neither searches nor exports hold up those who look at the newest events.
 */
import { type BulkheadPolicy, BulkheadRejectedError, bulkhead } from "cockatiel";
import { type Problem, RequestError, STORE_AWAY } from "../problem.ts";
import { TooSlow } from "../store/port.ts";

const QUICK_MAX = 3;
const QUICK_WAITING_MAX = 32;
const WALKS_MAX = 2;
const WALKS_WAITING_MAX = 4;
const STREAM_PAGES_MAX = 2;

/** So many connections are enough for everybody who is let in. */
export const READERS_MAX = QUICK_MAX + WALKS_MAX + STREAM_PAGES_MAX;

/** Streams under way at once; each holds one page, of 8 MiB at most. */
export const STREAMS_MAX = 8;

const RETRY_AFTER_S = 2;

export type Effort = "quick" | "walk" | "stream";

const BUSY = refusal("busy", "Busy", "As many queries are under way as may be. Repeat this one later.").problem;
const NARROWER = refusal(
  "too-slow",
  "Too slow",
  "The store could not find what fits in time. Narrow the query: by `topic`, by `since` and `until`, " +
    "or ask for less with `limit`.",
).problem;

/** What all that is read through it may say. */
export const READING_PROBLEMS: readonly Problem[] = [BUSY, NARROWER, STORE_AWAY];

export class Admission {
  readonly #places = {
    quick: bulkhead(QUICK_MAX, QUICK_WAITING_MAX),
    walk: bulkhead(WALKS_MAX, WALKS_WAITING_MAX),
    // Streams are bounded themselves, and none may break off because the others wait.
    stream: bulkhead(STREAM_PAGES_MAX, STREAMS_MAX),
  };

  /** How each kind of query stands. */
  get places(): readonly { readonly effort: Effort; readonly running: number; readonly waiting: number }[] {
    const { quick, walk, stream } = this.#places;
    return [
      { effort: "quick", ...taken(quick, QUICK_MAX, QUICK_WAITING_MAX) },
      { effort: "walk", ...taken(walk, WALKS_MAX, WALKS_WAITING_MAX) },
      { effort: "stream", ...taken(stream, STREAM_PAGES_MAX, STREAMS_MAX) },
    ];
  }

  /** @throws RequestError 503 where too many wait already, or where the store gave up: with what the caller can do. */
  async run<T>(effort: Effort, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#places[effort].execute(work);
    } catch (error) {
      if (error instanceof BulkheadRejectedError) {
        throw new RequestError(BUSY);
      }
      if (error instanceof TooSlow) throw new RequestError(NARROWER);
      throw error;
    }
  }
}

function taken({ executionSlots, queueSlots }: BulkheadPolicy, runningMax: number, waitingMax: number) {
  return { running: runningMax - executionSlots, waiting: waitingMax - queueSlots };
}

export function refusal(name: string, title: string, detail: string): RequestError {
  return new RequestError({ status: 503, name, title, detail, headers: { "retry-after": String(RETRY_AFTER_S) } });
}
