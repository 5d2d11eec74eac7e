/**
 * `GET /events`: stored events, newest `timestamp` first, filtered in the database.
 *
 * Pages follow each other by a keyset cursor in `Link: <…>; rel="next"`: it names the last row of the page, so no page
 * skips or repeats a row that was there all the time, however much is added meanwhile.
 */
import { EVENTS_PAGE_DEFAULT, EVENTS_PAGE_MAX, eventIdFault, timestampFault, topicFault } from "@sekali/contract";
import { RequestError } from "../problem.ts";
import type { EventStore, EventsCursor, EventsQuery } from "../store/port.ts";

const PARAMETERS = new Set(["topic", "limit", "cursor"]);

export class EventsRoute {
  readonly #store: EventStore;

  constructor(store: EventStore) {
    this.#store = store;
  }

  async handle(request: Request): Promise<Response> {
    const parameters = new URL(request.url).searchParams;
    const query = readQuery(parameters);
    const page = await this.#store.events(query);
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (page.next !== undefined) {
      const next = new URLSearchParams(parameters);
      next.set("cursor", encodeCursor(page.next));
      headers["link"] = `</events?${next}>; rel="next"`;
    }
    return new Response(`[${page.rows.join(",")}]`, { headers });
  }
}

function readQuery(parameters: URLSearchParams): EventsQuery {
  for (const name of parameters.keys()) {
    if (!PARAMETERS.has(name)) throw unacceptable(`There is no query parameter \`${name.slice(0, 64)}\`.`);
    if (parameters.getAll(name).length > 1) throw unacceptable(`The query parameter \`${name}\` is there twice.`);
  }
  const topic = parameters.get("topic");
  const fault = topic === null ? undefined : topicFault(topic);
  if (fault !== undefined) throw unacceptable(`The query parameter \`topic\` ${fault}.`);
  const cursor = parameters.get("cursor");
  return {
    topic: topic ?? undefined,
    limit: readLimit(parameters.get("limit")),
    after: cursor === null ? undefined : decodeCursor(cursor),
  };
}

function readLimit(text: string | null): number {
  if (text === null) return EVENTS_PAGE_DEFAULT;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(limit >= 1 && limit <= EVENTS_PAGE_MAX)) {
    throw unacceptable(`The query parameter \`limit\` takes a whole number from 1 to ${EVENTS_PAGE_MAX}.`);
  }
  return limit;
}

/** Opaque to callers: they should follow links, not build them. */
function encodeCursor(cursor: EventsCursor): string {
  return Buffer.from(JSON.stringify([cursor.timestamp, cursor.event_id, cursor.topic])).toString("base64url");
}

function decodeCursor(text: string): EventsCursor {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (Array.isArray(parts) && parts.length === 3) {
      const [timestamp, event_id, topic] = parts.map(String) as [string, string, string];
      const isOurs = !timestampFault(timestamp) && !eventIdFault(event_id) && !topicFault(topic);
      if (isOurs) return { timestamp, event_id, topic };
    }
  } catch {
    // Not one of ours either.
  }
  throw unacceptable("The query parameter `cursor` is not one that a `Link` header of this service carried.");
}

function unacceptable(detail: string): RequestError {
  return new RequestError({ status: 422, name: "unacceptable", title: "Query does not fit", detail });
}
