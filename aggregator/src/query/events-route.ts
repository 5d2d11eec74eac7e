/**
 * `GET /events`: stored events, newest `timestamp` first unless `order` says otherwise, filtered in the database.
 *
 * Pages follow each other by a keyset cursor in `Link: <…>; rel="next"`: it names the last row of the page, so no page
 * skips or repeats a row that was there all the time, however much is added meanwhile.
 */
import type { Route } from "../route.ts";
import { Unstorable } from "../store/port.ts";
import type { EventFilter, EventReader, EventsPage, EventsQuery } from "../store/reader-port.ts";
import type { Admission, Effort } from "./admission.ts";
import { readEventsQuery, writeEventsCursor } from "./events-query.ts";
import { nextLink, readLimit, unacceptable } from "./parameters.ts";

export class EventsRoute {
  readonly routes: readonly Route[] = [{ method: "GET", path: "/events", handle: (request) => this.handle(request) }];
  readonly #reader: EventReader;
  readonly #admission: Admission;

  constructor(reader: EventReader, admission: Admission) {
    this.#reader = reader;
    this.#admission = admission;
  }

  async handle(request: Request): Promise<Response> {
    const asked = readEventsQuery(request);
    const { parameters, filter, order, after } = asked;
    const page = await this.#read({ ...filter, order, after, limit: readLimit(parameters.get("limit")) });
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (page.next !== undefined) {
      headers["link"] = nextLink("/events", parameters, writeEventsCursor(page.next, asked));
    }
    return new Response(`[${page.rows.join(",")}]`, { headers });
  }

  async #read(query: EventsQuery): Promise<EventsPage> {
    try {
      return await this.#admission.run(effortOf(query), () => this.#reader.events(query));
    } catch (error) {
      // Parameters were judged already; what Postgres still can't compare is the caller's all the same.
      if (error instanceof Unstorable) throw unacceptable("The store can't compare events with what is asked for.");
      throw error;
    }
  }
}

/** The index finds rows by topic and time; anything else is compared with one row after the other. */
function effortOf({ source, contains, text }: EventFilter): Effort {
  return source === undefined && contains.length === 0 && text === undefined ? "quick" : "walk";
}
