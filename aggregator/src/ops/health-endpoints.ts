/** What `GET /healthz` and `GET /readyz` are. */
import { HealthReplySchema, type ReadinessReply, ReadinessReplySchema } from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import type { Endpoint } from "../route.ts";

const READY: ReadinessReply = {
  status: "ready",
  roles: ["api", "worker"],
  dependencies: { redis: { status: "up", durability_warnings: [] }, postgres: { status: "up" } },
  stuck_shards: [],
  access: { mode: "keys", warnings: [] },
};
const DEGRADED: ReadinessReply = {
  ...READY,
  status: "degraded",
  dependencies: { ...READY.dependencies, postgres: { status: "away" } },
};
const NOT_READY: ReadinessReply = {
  ...READY,
  status: "not ready",
  dependencies: { ...READY.dependencies, redis: { status: "away", durability_warnings: [] } },
};

export const SHOW_HEALTH = {
  method: "GET",
  path: "/healthz",
  scope: "anybody",
  operation: {
    id: "showHealth",
    tag: "Watch",
    summary: "Say that the process answers",
    replies: {
      200: {
        description: "It does.",
        content: { "application/json": { schema: HealthReplySchema, examples: { alive: { status: "alive" } } } },
      },
    },
    problems: [],
  },
} as const satisfies Endpoint;

export const SHOW_READINESS = {
  method: "GET",
  path: "/readyz",
  scope: "anybody",
  operation: {
    id: "showReadiness",
    tag: "Watch",
    summary: "Say whether the process can do what its roles ask, with the state of each dependency",
    description: "A process that takes publishes is ready without Postgres: what it acknowledges waits in Redis.",
    replies: {
      200: {
        description: "Ready, or `degraded`: it takes publishes, and a dependency is away.",
        content: {
          "application/json": { schema: ReadinessReplySchema, examples: { ready: READY, degraded: DEGRADED } },
        },
      },
      503: {
        description: "Not ready, or draining.",
        headers: {
          "retry-after": { schema: Type.Integer({ minimum: 1 }), description: "In seconds.", isRequired: true },
        },
        content: { "application/json": { schema: ReadinessReplySchema, examples: { "not ready": NOT_READY } } },
      },
    },
    problems: [],
  },
} as const satisfies Endpoint;
