/** What `GET /workers` is. */
import { type WorkersReply, WorkersReplySchema } from "@sekali/contract";
import { NO_PARAMETERS, QUERY_REFUSED } from "../query/parameters.ts";
import type { Endpoint } from "../route.ts";

const WORKERS: WorkersReply = {
  loops: [
    { loop: 0, state: "holding", shard: 1, seconds: 0 },
    { loop: 1, state: "idle", shard: null, seconds: 12 },
  ],
  shards: [
    { shard: 0, position: { epoch: 1, seq: 25_000 }, head: { epoch: 1, seq: 25_000 }, queued: 0, stuck: null },
    { shard: 1, position: { epoch: 1, seq: 24_988 }, head: { epoch: 1, seq: 24_999 }, queued: 11, stuck: null },
  ],
};

export const SHOW_WORKERS = {
  method: "GET",
  path: "/workers",
  scope: "read",
  operation: {
    id: "showWorkers",
    tag: "Watch",
    summary: "Show what each worker loop of this process does, and where each shard stands",
    description: "Nothing keeps it from answering: what can't be asked at the moment is null.",
    query: NO_PARAMETERS,
    replies: {
      200: {
        description: "Loops and shards.",
        content: {
          "application/json": {
            schema: WorkersReplySchema,
            examples: { "at work": WORKERS, "while Postgres is away": { ...WORKERS, shards: null } },
          },
        },
      },
    },
    problems: [QUERY_REFUSED],
  },
} as const satisfies Endpoint;
