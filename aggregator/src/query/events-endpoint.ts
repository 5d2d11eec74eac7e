/** What `GET /events` is. */
import {
  EVENTS_PAGE_DEFAULT,
  EVENTS_PAGE_MAX,
  EventRecordSchema,
  InstantSchema,
  PAYLOAD_CONDITIONS_MAX,
  SEARCH_CHARACTERS_MAX,
  SourceSchema,
  TopicPatternSchema,
} from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import { STORED_EVENT } from "../openapi/examples.ts";
import { LINK, VARY } from "../openapi/headers.ts";
import { ofFirst } from "../openapi/links.ts";
import type { Parameters } from "../openapi/operation.ts";
import type { Endpoint } from "../route.ts";
import { READING_PROBLEMS } from "./admission.ts";
import { CURSOR, limitParameter, QUERY_REFUSED } from "./parameters.ts";

/** What the names of conditions on payloads begin with. */
export const PAYLOAD = "payload.";
/** As many rows as a number may safely be counted down from, and more than anybody waits for. */
export const STREAM_ROWS_MAX = 1_000_000_000;

const QUERY = {
  topic: { schema: TopicPatternSchema, example: "user.*" },
  since: { schema: InstantSchema, description: "`timestamp` from there on.", example: "2026-01-31T00:00:00Z" },
  until: { schema: InstantSchema, description: "`timestamp` before there.", example: "2026-02-28T00:00:00+07:00" },
  source: { schema: SourceSchema, example: "web-frontend" },
  [PAYLOAD]: {
    familyMax: PAYLOAD_CONDITIONS_MAX,
    schema: Type.String({ pattern: "^[^\\u0000]*$" }),
    description:
      "`payload.user.id=7` keeps payloads that contain " +
      '`{"user":{"id":7}}` (Postgres\'s `@>`). The value is JSON where it is JSON, so `7` is the number and `"7"` ' +
      `the string; anything else is a string. At most ${PAYLOAD_CONDITIONS_MAX} of them. ` +
      "Keys with dots in them can't be named.",
    example: "7",
  },
  q: {
    schema: Type.String({ minLength: 1, maxLength: SEARCH_CHARACTERS_MAX, pattern: "^[^\\u0000]*$" }),
    description: "Text in the payload's JSON: in keys, strings and numbers, whatever its case.",
    example: "disk full",
  },
  order: {
    schema: Type.Union([Type.Literal("asc"), Type.Literal("desc")]),
    description: "By `timestamp`; the newest first unless `asc`.",
    example: "asc",
  },
  limit: {
    ...limitParameter(),
    description:
      `At most so many events: of a page up to ${EVENTS_PAGE_MAX}, ${EVENTS_PAGE_DEFAULT} unless given; of a ` +
      `stream up ` +
      `to ${STREAM_ROWS_MAX}, all of them unless given.`,
  },
  cursor: CURSOR,
} as const satisfies Parameters;

export const LIST_EVENTS = {
  method: "GET",
  path: "/events",
  scope: "read",
  operation: {
    id: "listEvents",
    tag: "Find",
    summary: "Find stored events",
    description:
      "The newest `timestamp` first, unless `order` says otherwise; all filters combine. Topic and time are found " +
      "by an " +
      "index, the other filters are compared row by row along it: a query that finds too little in time is answered " +
      "with 503 and asked to be narrower.\n\n" +
      "`Accept: application/x-ndjson` streams all pages in one reply, an event a line. A stream that fails midway " +
      "ends " +
      "without HTTP's last chunk; one that ends normally is complete.",
    query: QUERY,
    replies: {
      200: {
        description: "A page of events, or all of them as lines.",
        headers: { link: LINK, vary: VARY },
        links: { "all deliveries of the first": ofFirst("showEvent", "topic", "event_id") },
        content: {
          "application/json": { schema: Type.Array(EventRecordSchema), examples: { page: [STORED_EVENT] } },
          "application/x-ndjson": {
            schema: Type.String({ description: "An EventRecord a line" }),
            examples: { stream: `${JSON.stringify(STORED_EVENT)}\n` },
          },
        },
      },
    },
    problems: [QUERY_REFUSED, ...READING_PROBLEMS],
  },
} as const satisfies Endpoint;
