/** What `GET /duplicates` is. */
import {
  type DuplicateRecord,
  DuplicateRecordSchema,
  EventIdSchema,
  InstantSchema,
  SourceSchema,
  TopicPatternSchema,
} from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import { ARRIVAL, SENT_EVENT } from "../openapi/examples.ts";
import { LINK } from "../openapi/headers.ts";
import type { Parameters } from "../openapi/operation.ts";
import type { Endpoint } from "../route.ts";
import { READING_PROBLEMS } from "./admission.ts";
import { CURSOR, limitParameter, QUERY_REFUSED } from "./parameters.ts";

const QUERY = {
  topic: { schema: TopicPatternSchema, example: "user.*" },
  event_id: { schema: EventIdSchema, example: SENT_EVENT.event_id },
  source: { schema: SourceSchema, example: SENT_EVENT.source },
  since: { schema: InstantSchema, description: "Arrivals from there on.", example: "2026-01-31T00:00:00Z" },
  until: { schema: InstantSchema, description: "Arrivals before there.", example: "2026-02-28T00:00:00Z" },
  conflict: {
    schema: Type.Boolean(),
    description: "Whether the delivery said something else than what is stored.",
    example: true,
  },
  limit: limitParameter(),
  cursor: CURSOR,
} as const satisfies Parameters;

const { topic, event_id, source, timestamp } = SENT_EVENT;
const SAME: DuplicateRecord = { topic, event_id, source, received_at: ARRIVAL, shard: 3, seq: 812, conflict: false };
const CONFLICT: DuplicateRecord = { ...SAME, seq: 813, conflict: true, timestamp, payload: { user: { id: 9 } } };

export const LIST_DUPLICATES = {
  method: "GET",
  path: "/duplicates",
  scope: "read",
  operation: {
    id: "listDuplicates",
    tag: "Ask why",
    summary: "Find what was dropped: why was mine?",
    description:
      "The newest arrival first. A page looks at 50,000 rows at most: it may be short, even empty, and `Link` " +
      "decides " +
      "whether it is the last.",
    query: QUERY,
    replies: {
      200: {
        description: "A page of dropped deliveries.",
        headers: { link: LINK },
        content: {
          "application/json": { schema: Type.Array(DuplicateRecordSchema), examples: { page: [CONFLICT, SAME] } },
        },
      },
    },
    problems: [QUERY_REFUSED, ...READING_PROBLEMS],
  },
} as const satisfies Endpoint;
