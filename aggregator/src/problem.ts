/**
 * Every error a caller may see: RFC 9457 `application/problem+json`, and the one place that chooses its status.
 *
 * What the caller may see and what the operator needs are kept apart: a problem never carries a driver's text, an
 * address or a stack; those go to the log.
 */
import type { Problem as Described, ProblemPlace, RefusedBody } from "@sekali/contract";
import { OverQuota } from "./access/token-bucket.ts";
import { Overloaded } from "./ingest/batcher.ts";
import { OutcomeUnknown } from "./ingest/verdicts.ts";
import { QueueAway } from "./queue/port.ts";
import { StoreAway, TooSlow } from "./store/port.ts";

export interface Problem {
  readonly status: 400 | 401 | 403 | 404 | 405 | 409 | 410 | 413 | 415 | 422 | 429 | 500 | 503;
  /** The last part of the problem's URN; undefined where the status says it all. */
  readonly name?: string;
  readonly title: string;
  readonly detail?: string;
  readonly errors?: readonly ProblemPlace[];
  /** Of a stream: how many of its leading lines are queued all the same. */
  readonly accepted?: number;
  readonly headers?: Readonly<Record<string, string>>;
}

export const PROBLEM_TYPE = "application/problem+json";

/** Long enough for a restart to make progress, short enough not to waste it. */
const RETRY_AFTER_S = 1;

export function problemResponse(problem: Problem): Response {
  const { status, headers } = problem;
  const body = JSON.stringify(problemBody(problem));
  return new Response(body, { status, headers: { "content-type": PROBLEM_TYPE, ...headers } });
}

/** What a caller reads of it, without members that are undefined. */
export function problemBody({ status, name, title, detail, errors, accepted }: Problem): Described {
  const type = name === undefined ? "about:blank" : `urn:sekali:problem:${name}`;
  return {
    type,
    title,
    status,
    ...(detail !== undefined && { detail }),
    ...(errors?.length && { errors: [...errors] }),
    ...(accepted !== undefined && { accepted }),
  };
}

/** What a problem is counted under: few words, all of them of this code. */
export function reasonOf({ name, title }: Problem): string {
  return name ?? title.toLowerCase().replaceAll(" ", "-");
}

export function refusalProblem(refused: RefusedBody): Problem {
  const { detail, errors } = refused;
  switch (refused.kind) {
    case "malformed":
      return { status: 400, name: "malformed", title: "Malformed body", detail, errors };
    case "too_many":
      return { status: 413, name: "too-many-events", title: "Too many events", detail, errors };
    case "unacceptable":
      return { status: 422, name: "unacceptable", title: "Events do not fit the contract", detail, errors };
  }
}

/** A request that was understood and is wrong in a way the route has found. */
export class RequestError extends Error {
  override readonly name = "RequestError";
  readonly problem: Problem;

  constructor(problem: Problem) {
    super(problem.title);
    this.problem = problem;
  }
}

export const OVERLOADED = unavailable(
  "overloaded",
  "Overloaded",
  "As much is queued as may be. Nothing of this request was stored.",
);
export const QUEUE_AWAY = unavailable(
  "queue-away",
  "Queue unavailable",
  "The queue can't be reached. If events were sent, they may or may not be queued; repeating the request is safe.",
);
export const OUTCOME_UNKNOWN = unavailable(
  "outcome-unknown",
  "Outcome unknown",
  "The events are queued, but not known to be stored in time. Repeating the request is safe.",
);
export const STORE_AWAY = unavailable("store-away", "Store unavailable", "The store can't be reached.");
export const STORE_BEHIND = unavailable(
  "store-behind",
  "Store behind",
  "The store has gone back to an older state, and what it had since then is being stored again.",
);
export const TOO_SLOW = unavailable("too-slow", "Too slow", "The store could not answer this request in time.");
/** A fault of ours. */
export const INTERNAL: Problem = {
  status: 500,
  title: "Internal error",
  detail: "The service has failed at this request; its log says why.",
};

/** Undefined: a fault of ours, to be logged as one. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof RequestError) return error.problem;
  if (error instanceof Overloaded) return OVERLOADED;
  if (error instanceof OverQuota) return overQuota(Math.ceil(error.waitMs / 1000));
  if (error instanceof QueueAway) return QUEUE_AWAY;
  if (error instanceof OutcomeUnknown) return OUTCOME_UNKNOWN;
  if (error instanceof StoreAway) return STORE_AWAY;
  if (error instanceof TooSlow) return TOO_SLOW;
  return undefined;
}

/** @param retryAfterS whole seconds. */
export function overQuota(retryAfterS: number): Problem {
  return {
    status: 429,
    name: "quota-exceeded",
    title: "Quota exceeded",
    detail: "The key's quota is used up for the moment. Nothing of this request was stored.",
    headers: { "retry-after": String(retryAfterS) },
  };
}

function unavailable(name: string, title: string, detail: string): Problem {
  return { status: 503, name, title, detail, headers: { "retry-after": String(RETRY_AFTER_S) } };
}
