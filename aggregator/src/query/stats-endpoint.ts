/** What `GET /stats` is. */
import { type StatsReply, StatsReplySchema } from "@sekali/contract";
import { QUEUE_AWAY, STORE_AWAY, TOO_SLOW } from "../problem.ts";
import type { Endpoint } from "../route.ts";
import { NO_PARAMETERS, QUERY_REFUSED } from "./parameters.ts";

const STATS: StatsReply = {
  received: 50_000,
  unique_processed: 35_000,
  duplicate_dropped: 14_988,
  conflicts: 2,
  dead_lettered: 1,
  dead_letters_open: 1,
  queued: 11,
  lost: 0,
  topics: ["user.auth"],
  uptime: "1:02:03",
  topic_counts: {
    "user.auth": { unique_processed: 35_000, duplicate_dropped: 14_988, conflicts: 2, dead_lettered: 0 },
  },
  resending: {
    duplicates: 1000,
    since: "2026-01-31T11:59:58Z",
    sources: [{ source: "web-frontend", duplicates: 998, conflicts: 2 }],
  },
  stuck_shards: [],
};

export const SHOW_STATS = {
  method: "GET",
  path: "/stats",
  scope: "read",
  operation: {
    id: "showStats",
    tag: "Count",
    summary: "Count, exactly",
    description:
      "In every reply `received = unique_processed + duplicate_dropped + dead_lettered + queued`, over all processes.",
    query: NO_PARAMETERS,
    replies: {
      200: {
        description: "The counts of this instant.",
        content: { "application/json": { schema: StatsReplySchema, examples: { counts: STATS } } },
      },
    },
    problems: [QUERY_REFUSED, STORE_AWAY, QUEUE_AWAY, TOO_SLOW],
  },
} as const satisfies Endpoint;
