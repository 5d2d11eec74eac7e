/**
 * `GET /duplicates`: deliveries that were dropped, newest arrival first. Why was mine dropped, and did it say the same?
 *
 * Pages follow each other by a keyset cursor, as those of `/events`. A page looks at a bounded number of rows, so with
 * a filter that few rows pass it may be short, even empty, and still have a next one: the `Link` header decides.
 */
import { eventIdFault, sourceFault, timestampFault, topicPatternFault } from "@sekali/contract";
import type { Caller } from "../access/caller.ts";
import { narrowed } from "../access/covered.ts";
import type { Route } from "../route.ts";
import type { AuditPlace, AuditReader, DuplicatesQuery } from "../store/audit-port.ts";
import type { Admission, Effort } from "./admission.ts";
import { LIST_DUPLICATES } from "./duplicates-endpoint.ts";
import { boundFault, decodeCursor, encodeCursor, judged, nextLink, readLimit, readParameters } from "./parameters.ts";

export class DuplicatesRoute {
  readonly routes: readonly Route[] = [
    { ...LIST_DUPLICATES, handle: (request, _, caller) => this.handle(request, caller) },
  ];
  readonly #audit: Pick<AuditReader, "duplicates">;
  readonly #admission: Admission;

  constructor(audit: Pick<AuditReader, "duplicates">, admission: Admission) {
    this.#audit = audit;
    this.#admission = admission;
  }

  async handle(request: Request, caller: Caller): Promise<Response> {
    const parameters = readParameters(request, LIST_DUPLICATES.operation.query);
    const query = readQuery(parameters, caller);
    const page = await this.#admission.run(effortOf(query), () => this.#audit.duplicates(query));
    const headers: Record<string, string> = { "content-type": "application/json" };
    if (page.next !== undefined) {
      const { received_at, shard, seq } = page.next;
      headers["link"] = nextLink("/duplicates", parameters, encodeCursor([received_at, String(shard), String(seq)]));
    }
    return new Response(`[${page.rows.join(",")}]`, { headers });
  }
}

/** An event_id, the order of arrival and conflicts have an index; anything else is compared row by row. */
function effortOf({ topics, event_id, source, conflict }: DuplicatesQuery): Effort {
  if (event_id !== undefined) return "quick";
  return topics.includes(">") && source === undefined && conflict !== false ? "quick" : "walk";
}

function readQuery(parameters: URLSearchParams, caller: Caller): DuplicatesQuery {
  const conflict = judged(parameters, "conflict", booleanFault);
  const cursor = parameters.get("cursor");
  return {
    topics: narrowed(caller, judged(parameters, "topic", topicPatternFault) ?? ">"),
    event_id: judged(parameters, "event_id", eventIdFault),
    source: judged(parameters, "source", sourceFault),
    since: judged(parameters, "since", boundFault),
    until: judged(parameters, "until", boundFault),
    conflict: conflict === undefined ? undefined : conflict === "true",
    limit: readLimit(parameters.get("limit")),
    after: cursor === null ? undefined : readCursor(cursor),
  };
}

function booleanFault(text: string): string | undefined {
  return /^(true|false)$/.test(text) ? undefined : "takes true or false";
}

function readCursor(text: string): AuditPlace {
  const [received_at = "", shard, seq] = decodeCursor(text, [timestampFault, shardFault, seqFault]);
  return { received_at, shard: Number(shard), seq: Number(seq) };
}

function shardFault(text: string): string | undefined {
  return /^\d{1,9}$/.test(text) ? undefined : "must be the number of a shard";
}

function seqFault(text: string): string | undefined {
  return /^\d{1,15}$/.test(text) ? undefined : "must be a seq";
}
