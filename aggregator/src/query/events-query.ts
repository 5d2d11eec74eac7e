/**
 * The query of `GET /events` in words of the store: every parameter judged, none of them ignored.
 *
 * A cursor carries a digest of the filters it was made under: continuing another query from it would skip rows, so that
 * is refused instead.
 */
import {
  eventIdFault,
  judgeText,
  LONE_SURROGATE_FAULT,
  NUL_FAULT,
  PAYLOAD_CONDITIONS_MAX,
  PAYLOAD_DEPTH_MAX,
  SEARCH_CHARACTERS_MAX,
  sourceFault,
  timestampFault,
  topicFault,
  topicPatternFault,
} from "@sekali/contract";
import type { Caller } from "../access/caller.ts";
import { narrowed } from "../access/covered.ts";
import type { EventFilter, EventsCursor, Order } from "../store/reader-port.ts";
import { LIST_EVENTS, PAYLOAD } from "./events-endpoint.ts";
import { boundFault, decodeCursor, encodeCursor, judged, readParameters, unacceptable } from "./parameters.ts";

export interface AskedEvents {
  readonly parameters: URLSearchParams;
  readonly filter: EventFilter;
  readonly order: Order;
  readonly after: EventsCursor | undefined;
}

/** @throws RequestError 422 naming the parameter that does not fit, 403 for topics that are not the caller's. */
export function readEventsQuery(request: Request, caller: Caller): AskedEvents {
  const parameters = readParameters(request, LIST_EVENTS.operation.query);
  const conditions = [...parameters.keys()].filter((name) => name.startsWith(PAYLOAD));
  if (conditions.length > PAYLOAD_CONDITIONS_MAX) {
    throw unacceptable(`There are more than ${PAYLOAD_CONDITIONS_MAX} query parameters \`payload.…\`.`);
  }
  const filter: EventFilter = {
    topics: narrowed(caller, judged(parameters, "topic", topicPatternFault) ?? ">"),
    source: judged(parameters, "source", sourceFault),
    since: judged(parameters, "since", boundFault),
    until: judged(parameters, "until", boundFault),
    contains: conditions.map((name) => readCondition(name, parameters.get(name) ?? "")),
    text: judged(parameters, "q", searchFault),
  };
  const order = judged(parameters, "order", orderFault) === "asc" ? "asc" : "desc";
  const cursor = parameters.get("cursor");
  return { parameters, filter, order, after: cursor === null ? undefined : readCursor(cursor, filter, order) };
}

/** The cursor of a page's last row, as `readEventsQuery` takes it under the same filters. */
export function writeEventsCursor(last: EventsCursor, { filter, order }: AskedEvents): string {
  return encodeCursor([last.timestamp, last.event_id, last.topic, digestOf(filter, order)]);
}

function readCursor(text: string, filter: EventFilter, order: Order): EventsCursor {
  const anyText = () => undefined;
  const [timestamp = "", event_id = "", topic = "", digest] = decodeCursor(text, [
    timestampFault,
    eventIdFault,
    topicFault,
    anyText,
  ]);
  if (digest !== digestOf(filter, order)) {
    throw unacceptable("The query parameter `cursor` was made for a query with other filters or another order.");
  }
  return { timestamp, event_id, topic };
}

/** 72 bits: against mistakes, not against malice, which gains nothing here. */
function digestOf(filter: EventFilter, order: Order): string {
  const { topics, source, since, until, contains, text } = filter;
  const parts = JSON.stringify([topics, source, since, until, [...contains].sort(), text, order]);
  return new Bun.CryptoHasher("sha256").update(parts).digest("base64url").slice(0, 12);
}

/** `payload.user.id=7` as what the payload contains: `{"user":{"id":7}}`. The value's own text, so digits survive. */
function readCondition(name: string, value: string): string {
  const shown = name.slice(0, 64);
  const path = name.slice(PAYLOAD.length).split(".");
  if (path.includes("")) throw unacceptable(`The query parameter \`${shown}\` must name keys between single dots.`);
  const depthLeft = PAYLOAD_DEPTH_MAX - path.length;
  const text = isJson(value, depthLeft) ? value : JSON.stringify(value);
  const condition = path.reduceRight((inner, key) => `{${JSON.stringify(key)}:${inner}}`, text);
  if (depthLeft < 0 || judgeText(condition, PAYLOAD_DEPTH_MAX) !== "clean") {
    throw unacceptable(`The query parameter \`${shown}\` asks for a value that no payload can hold.`);
  }
  return condition;
}

function isJson(text: string, depthMax: number): boolean {
  // What nests deeper is not handed to a parser; as a string it would be looked for in vain, and says so by its depth.
  if (judgeText(text, depthMax) === "deep") return true;
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

function orderFault(text: string): string | undefined {
  return text === "asc" || text === "desc" ? undefined : "must be `asc` or `desc`";
}

function searchFault(text: string): string | undefined {
  if (text.length === 0) return "must not be empty";
  if (Array.from(text).length > SEARCH_CHARACTERS_MAX) {
    return `must be at most ${SEARCH_CHARACTERS_MAX} characters long`;
  }
  if (text.includes("\0")) return NUL_FAULT;
  return text.isWellFormed() ? undefined : LONE_SURROGATE_FAULT;
}
