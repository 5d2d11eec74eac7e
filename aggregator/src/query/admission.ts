/**
 * How many readers Postgres works for at once, and how many may wait for their turn: what is more is sent away at once.
 * Quick reads (the index says which rows) and walks (rows are compared along it) have places of their own, so that
 * searches don't hold up those who look at the newest events.
 */
import { BulkheadRejectedError, bulkhead } from "cockatiel";
import { RequestError } from "../problem.ts";
import { TooSlow } from "../store/port.ts";

const QUICK_MAX = 4;
const QUICK_WAITING_MAX = 32;
const WALKS_MAX = 2;
const WALKS_WAITING_MAX = 4;

/** So many connections are enough for everybody who is let in. */
export const READERS_MAX = QUICK_MAX + WALKS_MAX;

const RETRY_AFTER_S = 2;

export type Effort = "quick" | "walk";

export class Admission {
  readonly #places = {
    quick: bulkhead(QUICK_MAX, QUICK_WAITING_MAX),
    walk: bulkhead(WALKS_MAX, WALKS_WAITING_MAX),
  };

  /** @throws RequestError 503 where too many wait already, or where the store gave up: with what the caller can do. */
  async run<T>(effort: Effort, work: () => Promise<T>): Promise<T> {
    try {
      return await this.#places[effort].execute(work);
    } catch (error) {
      if (error instanceof BulkheadRejectedError) {
        throw refusal("busy", "Busy", "As many queries are under way as may be. Repeat this one later.");
      }
      if (error instanceof TooSlow) {
        const detail =
          "The store could not find what fits in time. Narrow the query: by `topic`, by `since` and `until`, " +
          "or ask for less with `limit`.";
        throw refusal("too-slow", "Too slow", detail);
      }
      throw error;
    }
  }
}

export function refusal(name: string, title: string, detail: string): RequestError {
  return new RequestError({ status: 503, name, title, detail, headers: { "retry-after": String(RETRY_AFTER_S) } });
}
