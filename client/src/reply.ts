/**
 * What an answer to `POST /publish` means for the one who sent it. Pure.
 *
 * No success is ever guessed: a 200 counts only where the body is the aggregator's own and its count is the number of
 * events that were sent. A page of a captive portal is not an acknowledgement.
 */
import type { Acknowledgement, Verdict } from "./public-types.ts";
import type { Retryable } from "./retry.ts";

export type Verdicts = {
  readonly stored: number;
  readonly duplicates: number;
  readonly deadLettered: number;
};

export type Reply =
  | {
      readonly kind: "acknowledged";
      readonly status: number;
      /** Of `stored` only: how many of each, and each in the order of the request. */
      readonly verdicts: Verdicts | undefined;
      readonly results: readonly Verdict[] | undefined;
    }
  /** Sending the same again would be answered in the same way. */
  | {
      readonly kind: "refused";
      readonly status: number | undefined;
      readonly reason: string;
      /** What the aggregator found wrong, by the event's place in the request. Empty where it named none. */
      readonly places: ReadonlyMap<number, string>;
    }
  | Retryable;

export type Answer = {
  readonly status: number;
  readonly contentType: string;
  readonly retryAfter: string | null;
  readonly body: string;
};

/** What proxies say of a moment, too: a request that came too slowly, or too early (RFC 9110 15.5.9, RFC 8470). */
const RETRYABLE_STATUSES: ReadonlySet<number> = new Set([408, 425, 429]);
/** A method or a version that is not known there will not be known the next time. */
const LASTING_STATUSES: ReadonlySet<number> = new Set([501, 505]);

/** Every 5xx but those, because proxies have some of their own (520 to 527, 530), and repeating is safe. */
export function isRetryableStatus(status: number): boolean {
  return RETRYABLE_STATUSES.has(status) || (status >= 500 && !LASTING_STATUSES.has(status));
}

const REASON_CHARACTERS_MAX = 300;

export function readReply(answer: Answer, expected: { ack: Acknowledgement; count: number }, nowMs: number): Reply {
  const { status } = answer;
  if (status === 200) return readAcknowledgement(answer, expected);
  const problem = parseObject(answer.body);
  const reason = describe(status, problem);
  if (isRetryableStatus(status)) {
    return { kind: "retryable", status, reason, retryAfterMs: readRetryAfter(answer.retryAfter, nowMs) };
  }
  return { kind: "refused", status, reason, places: readPlaces(problem) };
}

/** RFC 9110 section 10.2.3: seconds, or a date. Whatever else it says is no wish at all. */
export function readRetryAfter(value: string | null, nowMs: number): number {
  if (value === null) return 0;
  const text = value.trim();
  if (/^\d{1,9}$/.test(text)) return Number(text) * 1000;
  const at = Date.parse(text);
  return Number.isNaN(at) ? 0 : Math.max(0, at - nowMs);
}

function readAcknowledgement(answer: Answer, expected: { ack: Acknowledgement; count: number }): Reply {
  const { status } = answer;
  if (!answer.contentType.toLowerCase().startsWith("application/json")) {
    return foreign(
      status,
      tame(`the reply is ${answer.contentType || "of no type"}, not JSON: is this an aggregator?`),
    );
  }
  const body = parseObject(answer.body);
  // A reply that was cut on its way says nothing of what became of the events.
  if (body === undefined) return { kind: "retryable", status, reason: "the reply is no whole JSON", retryAfterMs: 0 };
  if (body["status"] !== expected.ack || body["count"] !== expected.count) {
    return foreign(status, `the reply does not acknowledge ${expected.count} events as ${expected.ack}`);
  }
  if (expected.ack === "queued") return { kind: "acknowledged", status, verdicts: undefined, results: undefined };
  const results: unknown = body["results"];
  if (!isVerdicts(results) || results.length !== expected.count) {
    return foreign(status, `the reply does not hold a verdict on each of ${expected.count} events`);
  }
  return { kind: "acknowledged", status, verdicts: countVerdicts(results), results };
}

function foreign(status: number, reason: string): Reply {
  return { kind: "refused", status, reason, places: new Map() };
}

const VERDICTS: Readonly<Record<Verdict, keyof Verdicts>> = {
  stored: "stored",
  duplicate: "duplicates",
  dead_letter: "deadLettered",
};

function isVerdicts(results: unknown): results is Verdict[] {
  return (
    Array.isArray(results) && results.every((result) => typeof result === "string" && Object.hasOwn(VERDICTS, result))
  );
}

function countVerdicts(results: readonly Verdict[]): Verdicts {
  const counted = { stored: 0, duplicates: 0, deadLettered: 0 };
  for (const result of results) counted[VERDICTS[result]] += 1;
  return counted;
}

export function describe(status: number, problem: Record<string, unknown> | undefined): string {
  const said = problem?.["detail"] ?? problem?.["title"];
  const words = typeof said === "string" && said !== "" ? `${status}: ${said}` : `status ${status}`;
  return tame(words);
}

/** `/3/event_id` is about the fourth event; pointers to anything else name no event. */
function readPlaces(problem: Record<string, unknown> | undefined): ReadonlyMap<number, string> {
  const places = new Map<number, string>();
  const errors = problem?.["errors"];
  if (!Array.isArray(errors)) return places;
  for (const error of errors as unknown[]) {
    if (typeof error !== "object" || error === null) continue;
    const { pointer, detail } = error as { pointer?: unknown; detail?: unknown };
    const index = typeof pointer === "string" ? /^\/(\d{1,9})(?:\/|$)/.exec(pointer)?.[1] : undefined;
    if (index === undefined) continue;
    const words = `${pointer}: ${typeof detail === "string" ? detail : "not accepted"}`;
    if (!places.has(Number(index))) places.set(Number(index), tame(words));
  }
  return places;
}

/** A reason goes into logs and onto terminals, and whoever answers may be anybody. */
export function tame(words: string): string {
  return words.slice(0, REASON_CHARACTERS_MAX).replaceAll(/\p{Cc}/gu, " ");
}

export function parseObject(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}
