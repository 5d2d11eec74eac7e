/**
 * `GET /events`: stored events, newest `timestamp` first unless `order` says otherwise, filtered in the database.
 *
 * Pages follow each other by a keyset cursor in `Link: <…>; rel="next"`: it names the last row of the page, so no page
 * skips or repeats a row that was there all the time, however much is added meanwhile.
 * `Accept: application/x-ndjson` asks for all pages in one reply (`event-streams.ts`).
 */
import type { Caller } from "../access/caller.ts";
import { requireGood } from "../access/end-of-caller.ts";
import { HEAD_OF_STREAM, type Route } from "../route.ts";
import { Unstorable } from "../store/port.ts";
import { type EventReader, type EventsPage, type EventsQuery, isComparedByRow } from "../store/reader-port.ts";
import type { Admission, Effort } from "./admission.ts";
import type { EventStreams, ReadPage } from "./event-streams.ts";
import { LIST_EVENTS, STREAM_ROWS_MAX } from "./events-endpoint.ts";
import { type AskedEvents, readEventsQuery, writeEventsCursor } from "./events-query.ts";
import { nextLink, readLimit, unacceptable } from "./parameters.ts";

/** Named in an Accept header (RFC 9110 section 12.5.1), and not with q=0. JSON is what everybody else gets. */
const NDJSON_ACCEPTED = /(?:^|,)\s*application\/x-ndjson\s*(?:;(?!\s*q=0(?:\.0*)?\s*(?:,|$))[^,]*)?(?:,|$)/i;

export class EventsRoute {
  readonly routes: readonly Route[] = [
    { ...LIST_EVENTS, handle: (request, _, caller) => this.handle(request, caller) },
  ];
  readonly #reader: EventReader;
  readonly #admission: Admission;
  readonly #streams: EventStreams;

  constructor(reader: EventReader, admission: Admission, streams: EventStreams) {
    this.#reader = reader;
    this.#admission = admission;
    this.#streams = streams;
  }

  async handle(request: Request, caller: Caller): Promise<Response> {
    const asked = readEventsQuery(request, caller);
    if (NDJSON_ACCEPTED.test(request.headers.get("accept") ?? "")) return await this.#stream(request, asked, caller);
    const { parameters, filter, order, after } = asked;
    const query = { ...filter, order, after, limit: readLimit(parameters.get("limit")) };
    const page = await this.#read(isComparedByRow(filter) ? "walk" : "quick", query);
    const headers: Record<string, string> = { "content-type": "application/json", vary: "accept" };
    if (page.next !== undefined) {
      headers["link"] = nextLink("/events", parameters, writeEventsCursor(page.next, asked));
    }
    return new Response(`[${page.rows.join(",")}]`, { headers });
  }

  async #stream(request: Request, asked: AskedEvents, caller: Caller): Promise<Response> {
    const { parameters, filter, order, after: start } = asked;
    const rowsMax = readRowsMax(parameters.get("limit"));
    const headers = { "content-type": "application/x-ndjson", vary: "accept" };
    if (request.method === "HEAD") return new Response(null, { headers: { ...headers, ...HEAD_OF_STREAM } });
    const read: ReadPage = (after = start, limit) => {
      requireGood(caller);
      return this.#read("stream", { ...filter, order, after, limit });
    };
    return new Response(await this.#streams.open(read, rowsMax, request.signal), { headers });
  }

  async #read(effort: Effort, query: EventsQuery): Promise<EventsPage> {
    try {
      return await this.#admission.run(effort, () => this.#reader.events(query));
    } catch (error) {
      // Parameters were judged already; what Postgres still can't compare is the caller's all the same.
      if (error instanceof Unstorable) throw unacceptable("The store can't compare events with what is asked for.");
      throw error;
    }
  }
}

/** A stream is as long as what matches, unless `limit` says otherwise. */
function readRowsMax(text: string | null): number {
  if (text === null) return STREAM_ROWS_MAX;
  const rows = /^\d{1,10}$/.test(text) ? Number(text) : Number.NaN;
  if (rows >= 1 && rows <= STREAM_ROWS_MAX) return rows;
  throw unacceptable(`The query parameter \`limit\` of a stream takes a whole number from 1 to ${STREAM_ROWS_MAX}.`);
}
