/** What `GET /stats/history` is. */
import { type StatsHistoryReply, StatsHistoryReplySchema } from "@sekali/contract";
import type { Endpoint } from "../route.ts";
import { NO_PARAMETERS, QUERY_REFUSED } from "./parameters.ts";

const COUNTS = {
  received: 50_000,
  unique_processed: 35_000,
  duplicate_dropped: 14_988,
  dead_lettered: 1,
  queued: 11,
};

const HISTORY: StatsHistoryReply = {
  since: "2026-01-31T11:59:50.120Z",
  now: "2026-01-31T12:00:02.000Z",
  interval_s: 5,
  samples: [
    { at: "2026-01-31T11:59:50.125Z", counts: COUNTS },
    { at: "2026-01-31T11:59:55.124Z", counts: null },
    { at: "2026-01-31T12:00:00.126Z", counts: { ...COUNTS, received: 50_005, unique_processed: 35_016, queued: 0 } },
  ],
};

export const SHOW_STATS_HISTORY = {
  method: "GET",
  path: "/stats/history",
  scope: "read",
  operation: {
    id: "showStatsHistory",
    tag: "Count",
    summary: "Show what the counts were in the last 15 minutes",
    description:
      "Samples of the counts of `GET /stats`, every few seconds, oldest first. They are of all processes and all " +
      "topics, as there; each process remembers them by itself, from its start on. Nothing keeps it from answering: " +
      "samples without counts are of times at which Redis or Postgres was away.",
    query: NO_PARAMETERS,
    replies: {
      200: {
        description: "The samples that this process remembers.",
        content: { "application/json": { schema: StatsHistoryReplySchema, examples: { "a short one": HISTORY } } },
      },
    },
    problems: [QUERY_REFUSED],
  },
} as const satisfies Endpoint;
