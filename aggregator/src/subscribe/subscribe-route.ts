/**
 * `GET /subscribe`: stored events as they become visible, as server-sent events (WHATWG HTML).
 *
 *   topic          a topic, or a pattern: `user.*`, `user.>`, `>`; all topics unless given
 *   from           `now` (unless given), `beginning`, a time of arrival, or the id of an event: what follows it
 *   Last-Event-ID  a header, as browsers send it when they come back; it outweighs `from`
 *
 * Each event is sent once on a connection, those of a shard in the order of seq, none left out. Ids are cursors; a
 * chunk of events carries one, with its last event, so that whoever comes back may have one chunk again.
 */
import { topicPatternFault } from "@sekali/contract";
import type { Caller } from "../access/caller.ts";
import { narrowed } from "../access/covered.ts";
import { whenEnded } from "../access/end-of-caller.ts";
import { readParameters, unacceptable } from "../query/parameters.ts";
import { HEAD_OF_STREAM, type Route } from "../route.ts";
import type { Followers } from "./followers.ts";
import { readStart, type Start } from "./start.ts";
import { SUBSCRIBE } from "./subscribe-endpoint.ts";

const ALL_TOPICS = ">";
const HEADERS = {
  "content-type": "text/event-stream",
  // nginx would collect a response before it passes it on.
  "x-accel-buffering": "no",
};

export class SubscribeRoute {
  readonly routes: readonly Route[] = [
    { ...SUBSCRIBE, handle: (request, _, caller) => this.#subscribe(request, caller) },
  ];
  readonly #followers: Followers;

  constructor(followers: Followers) {
    this.#followers = followers;
  }

  async #subscribe(request: Request, caller: Caller): Promise<Response> {
    const parameters = readParameters(request, SUBSCRIBE.operation.query);
    const pattern = parameters.get("topic") ?? ALL_TOPICS;
    const fault = topicPatternFault(pattern);
    if (fault !== undefined) throw unacceptable(`The query parameter \`topic\` ${fault}.`);
    const topics = narrowed(caller, pattern);
    const lastId = request.headers.get("last-event-id");
    const start: Start = lastId ? { from: "cursor", text: lastId } : readStart(parameters.get("from") ?? "now");
    if (request.method === "HEAD") return new Response(null, { headers: { ...HEADERS, ...HEAD_OF_STREAM } });
    const subscriber = await this.#followers.open(topics, start);
    if (request.signal.aborted) subscriber.close();
    else request.signal.addEventListener("abort", () => subscriber.close(), { once: true });
    whenEnded(caller, subscriber.ended, () => subscriber.end("unauthorized"));
    return new Response(subscriber.stream, { headers: HEADERS });
  }
}
