/** What `GET /topics` is. */
import { TOPICS_MAX_DEFAULT, TopicPatternSchema, type TopicRecord, TopicRecordSchema } from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import { SENT_EVENT } from "../openapi/examples.ts";
import { LINK } from "../openapi/headers.ts";
import type { Endpoint } from "../route.ts";
import { READING_PROBLEMS } from "./admission.ts";
import { CURSOR, limitParameter, QUERY_REFUSED } from "./parameters.ts";

const RECORD: TopicRecord = {
  topic: SENT_EVENT.topic,
  unique_processed: 3510,
  duplicate_dropped: 1490,
  first_timestamp: "2026-01-01T00:00:00.000001Z",
  last_timestamp: SENT_EVENT.timestamp,
  rate: 11.7,
};

export const LIST_TOPICS = {
  method: "GET",
  path: "/topics",
  scope: "read",
  operation: {
    id: "listTopics",
    tag: "Count",
    summary: "List topics with their counts, first and last timestamp, and rate",
    description: "By name. Counts and rate are those of all processes.",
    query: {
      topic: { schema: TopicPatternSchema, example: "user.>" },
      limit: limitParameter(TOPICS_MAX_DEFAULT),
      cursor: CURSOR,
    },
    replies: {
      200: {
        description: "A page of topics.",
        headers: { link: LINK },
        content: { "application/json": { schema: Type.Array(TopicRecordSchema), examples: { page: [RECORD] } } },
      },
    },
    problems: [QUERY_REFUSED, ...READING_PROBLEMS],
  },
} as const satisfies Endpoint;
