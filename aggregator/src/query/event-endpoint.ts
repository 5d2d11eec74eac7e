/** What `GET /events/{topic}/{event_id}` is. */
import {
  DUPLICATES_SHOWN_MAX,
  type EventDetail,
  EventDetailSchema,
  EventIdSchema,
  TopicSchema,
} from "@sekali/contract";
import { ARRIVAL, STORED_EVENT } from "../openapi/examples.ts";
import { LINK } from "../openapi/headers.ts";
import type { Problem } from "../problem.ts";
import type { Endpoint } from "../route.ts";
import { READING_PROBLEMS } from "./admission.ts";
import { NO_PARAMETERS, QUERY_REFUSED, unacceptable } from "./parameters.ts";

export const UNKNOWN_EVENT: Problem = {
  status: 404,
  name: "unknown-event",
  title: "Unknown event",
  detail: "No event of this topic and event_id has been stored.",
};

export function expiredProblem(receivedAt: string): Problem {
  const detail = `The event was stored at ${receivedAt}; retention has taken it since. Its identity stays taken.`;
  return { status: 410, name: "expired", title: "Event has expired", detail };
}

const DETAIL: EventDetail = {
  ...STORED_EVENT,
  shard: 3,
  seq: 4711,
  deliveries: [
    { verdict: "stored", received_at: ARRIVAL, shard: 3, seq: 4711, source: "web-frontend" },
    {
      verdict: "duplicate",
      received_at: "2026-01-31T12:00:01.202020Z",
      shard: 5,
      seq: 812,
      source: "web-frontend",
      conflict: false,
    },
  ],
  more_deliveries: false,
};

export const SHOW_EVENT = {
  method: "GET",
  path: "/events/:topic/:event_id",
  scope: "read",
  operation: {
    id: "showEvent",
    tag: "Find",
    summary: "Show one event and all its deliveries",
    description:
      `When and as which delivery it was stored, and up to ${DUPLICATES_SHOWN_MAX} deliveries that were dropped as ` +
      `its ` +
      'duplicates; `Link: <…>; rel="related"` shows where all of them are.',
    path: {
      topic: { schema: TopicSchema, example: STORED_EVENT.topic },
      event_id: { schema: EventIdSchema, example: STORED_EVENT.event_id },
    },
    query: NO_PARAMETERS,
    replies: {
      200: {
        description: "The event.",
        headers: { link: { ...LINK, description: '`rel="related"`: all duplicates, where there are more of them.' } },
        content: { "application/json": { schema: EventDetailSchema, examples: { event: DETAIL } } },
      },
    },
    problems: [
      UNKNOWN_EVENT,
      expiredProblem(ARRIVAL),
      unacceptable("The path's `event_id` must be a UUID as in RFC 9562: 8-4-4-4-12 hexadecimal digits.").problem,
      QUERY_REFUSED,
      ...READING_PROBLEMS,
    ],
  },
} as const satisfies Endpoint;
