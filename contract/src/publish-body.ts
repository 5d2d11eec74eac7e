/**
 * The whole way from the bytes of a `POST /publish` to events that can be stored, in the order in which it is safe:
 * bytes → text (fatal UTF-8) → judged text (depth, numbers, escapes) → parsed value → compiled schema.
 *
 * A body is accepted as a whole or not at all. What travels on is `text`, a slice of the request's own JSON: numbers
 * keep their digits, and nothing is serialised again.
 */
import { TypeCompiler } from "@sinclair/typebox/compiler";
import { EventSchema } from "./event.ts";
import { explainEvent } from "./explain.ts";
import { findTextFaults, judgeText } from "./json-text.ts";
import { PAYLOAD_DEPTH_MAX } from "./limits.ts";
import { Places } from "./places.ts";
import type { ProblemPlace } from "./replies.ts";

/** What the queue needs to know of an event beside its text. */
export type Identified = { readonly topic: string; readonly event_id: string; readonly source: string };

export type AcceptedBody = {
  readonly ok: true;
  readonly isBatch: boolean;
  /** `event_id` is in lower case. */
  readonly events: readonly Identified[];
  /** The events' own JSON text, separated by commas: `[${text}]` is an array of exactly `events.length` elements. */
  readonly text: string;
};

/** Not JSON at all (400), JSON that does not fit (422), or more events than one request may carry (413). */
export type RefusalKind = "malformed" | "unacceptable" | "too_many";

export type RefusedBody = {
  readonly ok: false;
  readonly kind: RefusalKind;
  readonly detail: string;
  /** Bounded in number and length. */
  readonly errors: readonly ProblemPlace[];
};

export type ParsedBody = AcceptedBody | RefusedBody;

const decoder = new TextDecoder("utf-8", { fatal: true });
const eventCheck = TypeCompiler.Compile(EventSchema);

export function parsePublishBody(body: Uint8Array, limits: { readonly batchEventsMax: number }): ParsedBody {
  const decoded = decode(body);
  if (decoded === undefined) return malformed("The body is not valid UTF-8.");
  const text = decoded.trim();
  if (text === "") return malformed("The body is empty; it must be one event or an array of events.");
  const isBatch = text.startsWith("[");
  const baseDepth = isBatch ? 2 : 1;
  const verdict = judgeText(text, baseDepth + PAYLOAD_DEPTH_MAX);
  if (verdict === "deep") return unacceptable(text, baseDepth, []);
  // The untrimmed text: `trim` also takes white space that JSON does not allow.
  const parsed = parse(decoded);
  if (parsed === undefined) return malformed("The body is not valid JSON.");
  const values: readonly unknown[] = isBatch ? (parsed.value as unknown[]) : [parsed.value];
  if (values.length > limits.batchEventsMax) return tooMany(values.length, limits.batchEventsMax);
  const events = verdict === "clean" ? identify(values) : undefined;
  if (events === undefined) return unacceptable(text, baseDepth, values);
  return { ok: true, isBatch, events, text: isBatch ? text.slice(1, -1).trim() : text };
}

/**
 * One line of newline-delimited JSON: an event, never an array of them. It is judged as a body of its own.
 *
 * @returns pointers from the event on; the caller knows which line it was.
 */
export function parseEventLine(line: Uint8Array): ParsedBody {
  const parsed = parsePublishBody(line, { batchEventsMax: 1 });
  const isArray = parsed.ok ? parsed.isBatch : parsed.kind === "too_many";
  return isArray ? unacceptable("", 1, [[]]) : parsed;
}

function decode(body: Uint8Array): string | undefined {
  try {
    return decoder.decode(body);
  } catch {
    return undefined;
  }
}

function parse(text: string): { readonly value: unknown } | undefined {
  try {
    return { value: JSON.parse(text) };
  } catch {
    return undefined;
  }
}

function identify(values: readonly unknown[]): Identified[] | undefined {
  const events: Identified[] = [];
  for (const value of values) {
    if (!eventCheck.Check(value)) return undefined;
    events.push({ topic: value.topic, event_id: value.event_id.toLowerCase(), source: value.source });
  }
  return events;
}

function malformed(detail: string): RefusedBody {
  return { ok: false, kind: "malformed", detail, errors: [] };
}

function tooMany(events: number, eventsMax: number): RefusedBody {
  const detail = `The array holds ${events} events; one request may carry at most ${eventsMax}.`;
  return { ok: false, kind: "too_many", detail, errors: [] };
}

function unacceptable(text: string, baseDepth: number, values: readonly unknown[]): RefusedBody {
  const places = new Places();
  findTextFaults(text, baseDepth, places);
  for (let index = 0; index < values.length && !places.isFull; index++) {
    explainEvent(values[index], baseDepth === 1 ? "" : `/${index}`, places);
  }
  return { ok: false, kind: "unacceptable", detail: summary(places), errors: places.named };
}

function summary(places: Places): string {
  const count = places.named.length;
  if (places.isFull) return `The body does not fit what an event is; the first ${count} places are named.`;
  return `The body does not fit what an event is, at ${count} ${count === 1 ? "place" : "places"}.`;
}
