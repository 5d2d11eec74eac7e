/**
 * `GET /topics`: each topic with its counts, its first and last timestamp, and its rate.
 *
 * Counts and rate are those of all processes. Topics are bounded in number, so a reply holds all that fit a pattern,
 * up to `limit`; further ones follow by a cursor.
 */
import {
  compileTopicPatterns,
  TOPICS_MAX_DEFAULT,
  type TopicRecord,
  topicFault,
  topicPatternFault,
} from "@sekali/contract";
import type { Caller } from "../access/caller.ts";
import { narrowed } from "../access/covered.ts";
import type { Route } from "../route.ts";
import type { CountedTopic, TimeSpan, TopicReader } from "../store/reader-port.ts";
import type { Admission } from "./admission.ts";
import { decodeCursor, encodeCursor, nextLink, readLimit, readParameters, unacceptable } from "./parameters.ts";
import { RateMeter } from "./rate-meter.ts";
import { LIST_TOPICS } from "./topics-endpoint.ts";

export class TopicsRoute {
  readonly routes: readonly Route[] = [
    { ...LIST_TOPICS, handle: (request, _, caller) => this.handle(request, caller) },
  ];
  readonly #reader: TopicReader;
  readonly #admission: Admission;
  readonly #meter = new RateMeter();

  constructor(reader: TopicReader, admission: Admission) {
    this.#reader = reader;
    this.#admission = admission;
  }

  async handle(request: Request, caller: Caller): Promise<Response> {
    const parameters = readParameters(request, LIST_TOPICS.operation.query);
    const pattern = parameters.get("topic") ?? ">";
    const fault = topicPatternFault(pattern);
    if (fault !== undefined) throw unacceptable(`The query parameter \`topic\` ${fault}.`);
    const matches = compileTopicPatterns(narrowed(caller, pattern));
    const limit = readLimit(parameters.get("limit") ?? String(TOPICS_MAX_DEFAULT));
    const cursor = parameters.get("cursor");
    const [after = ""] = cursor === null ? [] : decodeCursor(cursor, [topicFault]);
    return await this.#admission.run("quick", async () => {
      const counted = await this.#reader.topics();
      const counts = new Map(counted.map(({ topic, unique_processed }) => [topic, unique_processed]));
      const rateOf = this.#meter.measure(performance.now(), counts);
      // The store sorts by code points, as its index does; JavaScript compares UTF-16 units.
      const first = after === "" ? 0 : counted.findLastIndex(({ topic }) => compareBytes(topic, after) <= 0) + 1;
      const fitting = counted.slice(first).filter(({ topic }) => matches(topic));
      const page = fitting.slice(0, limit);
      const spans = await this.#reader.timeSpans(page.map(({ topic }) => topic));
      const headers: Record<string, string> = { "content-type": "application/json" };
      const last = page.at(-1);
      if (fitting.length > limit && last !== undefined) {
        headers["link"] = nextLink("/topics", parameters, encodeCursor([last.topic]));
      }
      const records = page.map((each) => record(each, spans.get(each.topic), rateOf));
      return new Response(JSON.stringify(records), { headers });
    });
  }
}

function record(counted: CountedTopic, span: TimeSpan | undefined, rateOf?: (topic: string) => number): TopicRecord {
  const rate = rateOf?.(counted.topic);
  return {
    ...counted,
    first_timestamp: span?.first_timestamp ?? null,
    last_timestamp: span?.last_timestamp ?? null,
    rate: rate === undefined ? null : Math.round(rate * 1000) / 1000,
  };
}

function compareBytes(a: string, b: string): number {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
