/**
 * `GET /events/{topic}/{event_id}`: one event, when and as which delivery it was stored, and what else was delivered
 * under its identity and dropped. 410 where retention took the event: its identity is known for ever.
 */
import { DUPLICATES_SHOWN_MAX, eventIdFault, topicFault } from "@sekali/contract";
import type { Caller } from "../access/caller.ts";
import { requireTopic } from "../access/covered.ts";
import { RequestError } from "../problem.ts";
import type { PathParameters, Route } from "../route.ts";
import type { EventFinder, FoundEvent } from "../store/reader-port.ts";
import type { Admission } from "./admission.ts";
import { expiredProblem, SHOW_EVENT, UNKNOWN_EVENT } from "./event-endpoint.ts";
import { readParameters, unacceptable } from "./parameters.ts";

export class EventRoute {
  readonly routes: readonly Route[] = [{ ...SHOW_EVENT, handle: (...asked) => this.handle(...asked) }];
  readonly #finder: EventFinder;
  readonly #admission: Admission;

  constructor(finder: EventFinder, admission: Admission) {
    this.#finder = finder;
    this.#admission = admission;
  }

  async handle(request: Request, path: PathParameters, caller: Caller): Promise<Response> {
    readParameters(request, SHOW_EVENT.operation.query);
    const topic = judged("topic", path["topic"] ?? "", topicFault);
    const eventId = judged("event_id", path["event_id"] ?? "", eventIdFault);
    requireTopic(caller, topic);
    // One more than is shown tells whether there are more.
    const found = await this.#admission.run("quick", () => this.#finder.find(topic, eventId, DUPLICATES_SHOWN_MAX + 1));
    if (found === undefined) throw new RequestError(UNKNOWN_EVENT);
    const headers: Record<string, string> = { "content-type": "application/json" };
    // All of them, page by page, are the audit's to show.
    if (found.duplicates.length > DUPLICATES_SHOWN_MAX) {
      headers["link"] = `</duplicates?${new URLSearchParams({ topic, event_id: eventId })}>; rel="related"`;
    }
    return new Response(render(found), { headers });
  }
}

function judged(name: string, value: string, faultOf: (value: string) => string | undefined): string {
  const fault = faultOf(value);
  if (fault !== undefined) throw unacceptable(`The path's \`${name}\` ${fault}.`);
  return value;
}

/** @throws RequestError 410 where only the identity is left. */
function render({ fields, source, received_at, shard, seq, duplicates }: FoundEvent): string {
  if (fields === undefined || source === undefined) {
    throw new RequestError(expiredProblem(received_at));
  }
  const place = `"received_at":${JSON.stringify(received_at)},"shard":${shard},"seq":${seq}`;
  const stored = `{"verdict":"stored",${place},"source":${source}}`;
  const dropped = duplicates.slice(0, DUPLICATES_SHOWN_MAX).map((each) => JSON.stringify(each));
  const hasMore = duplicates.length > DUPLICATES_SHOWN_MAX;
  return `{${fields},${place},"deliveries":[${[stored, ...dropped].join(",")}],"more_deliveries":${hasMore}}`;
}
