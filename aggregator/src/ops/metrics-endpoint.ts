/** What `GET /metrics` is. */
import { Type } from "@sinclair/typebox";
import { VARY } from "../openapi/headers.ts";
import { NO_PARAMETERS, QUERY_REFUSED } from "../query/parameters.ts";
import type { Endpoint } from "../route.ts";

const COUNTER =
  "# HELP sekali_stored_events_total Events stored: deliveries whose identity was new. Of all processes.\n" +
  "# TYPE sekali_stored_events_total counter\n";

export const SHOW_METRICS = {
  method: "GET",
  path: "/metrics",
  scope: "read",
  operation: {
    id: "showMetrics",
    tag: "Watch",
    summary: "Numbers of the process and its installation, for Prometheus",
    description: "It never fails: what is away leaves its numbers out.",
    query: NO_PARAMETERS,
    replies: {
      200: {
        description: "Prometheus's text format, or OpenMetrics where `Accept` prefers it.",
        headers: { vary: VARY },
        content: {
          "text/plain": { schema: Type.String(), examples: { prometheus: `${COUNTER}sekali_stored_events_total 1\n` } },
          "application/openmetrics-text": { schema: Type.String() },
        },
      },
    },
    problems: [QUERY_REFUSED],
  },
} as const satisfies Endpoint;
