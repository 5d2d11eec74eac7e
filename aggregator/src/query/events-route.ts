/**
 * `GET /events`: stored events, newest `timestamp` first, filtered in the database.
 *
 * Pages follow each other by a keyset cursor in `Link: <…>; rel="next"`: it names the last row of the page, so no page
 * skips or repeats a row that was there all the time, however much is added meanwhile.
 */
import { eventIdFault, timestampFault, topicFault } from "@sekali/contract";
import type { Route } from "../route.ts";
import type { EventStore, EventsCursor, EventsQuery } from "../store/port.ts";
import { decodeCursor, encodeCursor, nextLink, readLimit, readParameters, unacceptable } from "./parameters.ts";

const PARAMETERS = new Set(["topic", "limit", "cursor"]);

export class EventsRoute {
  readonly routes: readonly Route[] = [{ method: "GET", path: "/events", handle: (request) => this.handle(request) }];
  readonly #store: EventStore;

  constructor(store: EventStore) {
    this.#store = store;
  }

  async handle(request: Request): Promise<Response> {
    const parameters = readParameters(request, PARAMETERS);
    const query = readQuery(parameters);
    const page = await this.#store.events(query);
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (page.next !== undefined) {
      const { timestamp, event_id, topic } = page.next;
      headers["link"] = nextLink("/events", parameters, encodeCursor([timestamp, event_id, topic]));
    }
    return new Response(`[${page.rows.join(",")}]`, { headers });
  }
}

function readQuery(parameters: URLSearchParams): EventsQuery {
  const topic = parameters.get("topic");
  const fault = topic === null ? undefined : topicFault(topic);
  if (fault !== undefined) throw unacceptable(`The query parameter \`topic\` ${fault}.`);
  const cursor = parameters.get("cursor");
  return {
    topic: topic ?? undefined,
    limit: readLimit(parameters.get("limit")),
    after: cursor === null ? undefined : readCursor(cursor),
  };
}

function readCursor(text: string): EventsCursor {
  const [timestamp = "", event_id = "", topic = ""] = decodeCursor(text, [timestampFault, eventIdFault, topicFault]);
  return { timestamp, event_id, topic };
}
