/** What `POST /publish` is. */
import {
  BATCH_EVENTS_MAX_DEFAULT,
  EventSchema,
  PublishReplySchema,
  parsePublishBody,
  StoredLinesReplySchema,
  StoredReplySchema,
} from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import { OTHER_EVENT, SENT_EVENT } from "../openapi/examples.ts";
import type { Content, Parameters } from "../openapi/operation.ts";
import { OUTCOME_UNKNOWN, type Problem, type RequestError, refusalProblem } from "../problem.ts";
import { QUERY_REFUSED } from "../query/parameters.ts";
import type { Endpoint } from "../route.ts";
import { BODY_PROBLEMS } from "./body.ts";
import { unsupportedMediaType } from "./content-type.ts";
import { ACK_QUERY, ACK_REFUSED, INTAKE_PROBLEMS } from "./intake.ts";
import { LINES_TYPES } from "./line-types.ts";

export const ACCEPTED = ["application/json", ...LINES_TYPES];

export function notJson(accepted: readonly string[]): RequestError {
  return unsupportedMediaType("not-json", "Not JSON", accepted);
}

export const CODING_HEADER = {
  "content-encoding": {
    schema: Type.String(),
    description: "`gzip`, `deflate` or `zstd`. The limits are those of what the body inflates to.",
  },
} as const satisfies Parameters;

/** As the parser says it. */
function refused(body: string, batchEventsMax = BATCH_EVENTS_MAX_DEFAULT): Problem[] {
  const parsed = parsePublishBody(Buffer.from(body), { batchEventsMax });
  return parsed.ok ? [] : [refusalProblem(parsed)];
}

/** What reading events from a body of JSON may say; for example. */
export const EVENTS_PROBLEMS: readonly Problem[] = [
  ...refused("{"),
  ...refused(JSON.stringify([SENT_EVENT, { ...SENT_EVENT, timestamp: "2026-02-30T12:00:00Z", payload: [] }])),
  ...refused(JSON.stringify([SENT_EVENT, OTHER_EVENT]), 1),
  ...BODY_PROBLEMS,
];

const lines = [SENT_EVENT, OTHER_EVENT].map((event) => `${JSON.stringify(event)}\n`).join("");
const LINES = {
  schema: Type.String({ description: "An Event a line" }),
  examples: { lines },
};

export const QUEUED_OR_STORED: Content = {
  "application/json": {
    schema: Type.Union([PublishReplySchema, StoredReplySchema, StoredLinesReplySchema]),
    examples: {
      queued: { status: "queued", count: 2 },
      stored: {
        status: "stored",
        count: 2,
        unique: 1,
        duplicates: 1,
        dead_lettered: 0,
        results: ["duplicate", "stored"],
      },
    },
  },
};

const BROKEN_OFF: Problem = {
  status: 422,
  name: "unacceptable",
  title: "Lines do not fit the contract",
  detail:
    "Not every line is an event; the places in the first bad chunk are named. 2000 leading lines are queued; " +
    "sending all of them again is safe.",
  errors: [{ pointer: "/2001", detail: "line 2002: is empty" }],
  accepted: 2000,
};

export const PUBLISH = {
  method: "POST",
  path: "/publish",
  scope: "publish",
  operation: {
    id: "publish",
    tag: "Send",
    summary: "Send events: one, an array of them, or a stream of lines",
    description:
      "An array is accepted all or nothing. A stream of lines is taken in chunks while it is sent; where it breaks " +
      "off, " +
      "`accepted` says how many leading lines are queued by then, and sending all of them again is safe.",
    query: ACK_QUERY,
    headers: CODING_HEADER,
    body: {
      isRequired: true,
      content: {
        "application/json": {
          schema: Type.Union([
            EventSchema,
            Type.Array(EventSchema, { maxItems: BATCH_EVENTS_MAX_DEFAULT, description: "BATCH_EVENTS_MAX at most" }),
          ]),
          examples: { event: SENT_EVENT, batch: [SENT_EVENT, OTHER_EVENT] },
        },
        "application/x-ndjson": LINES,
        "application/jsonl": LINES,
      },
    },
    replies: {
      200: {
        description: "`queued`: on Redis's disk. `stored`: committed; of a stream of lines without `results`.",
        content: QUEUED_OR_STORED,
      },
    },
    problems: [
      ...EVENTS_PROBLEMS,
      BROKEN_OFF,
      ACK_REFUSED,
      QUERY_REFUSED,
      notJson(ACCEPTED).problem,
      ...INTAKE_PROBLEMS,
      OUTCOME_UNKNOWN,
    ],
  },
} as const satisfies Endpoint;
