/** What `/subscriptions`, each of them, and the calls of their consumers are. */
import {
  AckBodySchema,
  AckReplySchema,
  NackReplySchema,
  type NextReply,
  NextReplySchema,
  SubscriptionBodySchema,
  SubscriptionNameSchema,
  type SubscriptionReply,
  SubscriptionStateSchema,
  type Undelivered,
  UndeliveredSchema,
} from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import { BODY_PROBLEMS } from "../ingest/body.ts";
import { ARRIVAL, STORED_EVENT } from "../openapi/examples.ts";
import { LINK } from "../openapi/headers.ts";
import { ofSamePath } from "../openapi/links.ts";
import type { Link, Parameters } from "../openapi/operation.ts";
import { type Problem, STORE_AWAY, TOO_SLOW } from "../problem.ts";
import { CURSOR, limitParameter, NO_PARAMETERS, QUERY_REFUSED, unacceptable } from "../query/parameters.ts";
import type { Endpoint } from "../route.ts";
import { FOLLOWING_PROBLEMS } from "./followers.ts";
import { MALFORMED, unfitting } from "./json-body.ts";
import { tooMany } from "./subscriptions.ts";

export const EVENTS_DEFAULT = 100;
export const EVENTS_MAX = 1000;
export const WAIT_S_MAX = 30;

export const NAME_REFUSED = unacceptable(
  "A subscription's name has 1 to 64 characters: letters, digits, dot, underscore and hyphen.",
).problem;

export function missingProblem(name: string): Problem {
  const detail = `There is no subscription ${name}. PUT makes one.`;
  return { status: 404, name: "no-such-subscription", title: "No such subscription", detail };
}

type Definition = Pick<SubscriptionReply, "name" | "topic" | "ack_timeout_s" | "deliveries_max">;

export function differentProblem({ name, topic, ack_timeout_s, deliveries_max }: Definition): Problem {
  const detail =
    `${name} is there with another definition: topic ${topic}, ack_timeout_s ${ack_timeout_s}, deliveries_max ` +
    `${deliveries_max}, or another start. DELETE it first, or take another name.`;
  return { status: 409, name: "subscription-differs", title: "Another definition", detail };
}

const PATH = { name: { schema: SubscriptionNameSchema, example: "mailer" } } as const satisfies Parameters;
const ONE = "/subscriptions/:name";
const STORE_PROBLEMS: readonly Problem[] = [STORE_AWAY, TOO_SLOW];
const NAMED_PROBLEMS: readonly Problem[] = [missingProblem("mailer"), NAME_REFUSED, QUERY_REFUSED, ...STORE_PROBLEMS];
const JSON_PROBLEMS: readonly Problem[] = [
  MALFORMED,
  unfitting([{ pointer: "/ack_timeout_s", detail: "Expected integer to be greater or equal to 1" }]),
  ...BODY_PROBLEMS,
];

const STATE: SubscriptionReply = {
  name: "mailer",
  topic: "user.>",
  from: "beginning",
  ack_timeout_s: 30,
  deliveries_max: 10,
  created_at: ARRIVAL,
  lag: 12,
  outstanding: 3,
  dead: 0,
  expired: 0,
};
const HANDED_OUT: NextReply = { events: [{ ack_id: "3-4711-1", delivery: 1, event: STORED_EVENT }] };
const UNDELIVERED: Undelivered = {
  deliveries: 10,
  reason: "deliveries",
  dead_at: "2026-01-31T12:05:00.5Z",
  event: STORED_EVENT,
};

const WHAT_FOLLOWS: Readonly<Record<string, Link>> = {
  show: ofSamePath("showSubscription", "name"),
  next: ofSamePath("nextEvents", "name"),
  "dead letters": ofSamePath("listUndelivered", "name"),
  remove: ofSamePath("removeSubscription", "name"),
};

function subscription(description: string) {
  return {
    description,
    content: { "application/json": { schema: SubscriptionStateSchema, examples: { subscription: STATE } } },
  };
}

export const LIST_SUBSCRIPTIONS = {
  method: "GET",
  path: "/subscriptions",
  scope: "read",
  operation: {
    id: "listSubscriptions",
    tag: "Share the work",
    summary: "List durable subscriptions",
    query: NO_PARAMETERS,
    replies: {
      200: {
        description: "All of them, by name.",
        content: {
          "application/json": { schema: Type.Array(SubscriptionStateSchema), examples: { all: [STATE] } },
        },
      },
    },
    problems: [QUERY_REFUSED, ...STORE_PROBLEMS],
  },
} as const satisfies Endpoint;

export const SHOW_SUBSCRIPTION = {
  method: "GET",
  path: ONE,
  scope: "read",
  operation: {
    id: "showSubscription",
    tag: "Share the work",
    summary: "Show a subscription with what is left to do",
    path: PATH,
    query: NO_PARAMETERS,
    replies: { 200: subscription("The subscription.") },
    problems: NAMED_PROBLEMS,
  },
} as const satisfies Endpoint;

export const MAKE_SUBSCRIPTION = {
  method: "PUT",
  path: ONE,
  scope: "admin",
  operation: {
    id: "makeSubscription",
    tag: "Share the work",
    summary: "Make a durable subscription",
    description:
      "Each event goes to one of its consumers at a time. Who does not acknowledge within `ack_timeout_s` loses the " +
      "event to the next; after `deliveries_max` it becomes a dead letter of the subscription.",
    path: PATH,
    query: NO_PARAMETERS,
    body: {
      isRequired: true,
      content: {
        "application/json": {
          schema: SubscriptionBodySchema,
          examples: { usual: { topic: "user.>", from: "beginning" }, defaults: {} },
        },
      },
    },
    replies: {
      200: { ...subscription("It was there before, and is the same."), links: WHAT_FOLLOWS },
      201: { ...subscription("It is there now."), links: WHAT_FOLLOWS },
    },
    problems: [
      differentProblem(STATE),
      NAME_REFUSED,
      QUERY_REFUSED,
      ...JSON_PROBLEMS,
      ...FOLLOWING_PROBLEMS,
      tooMany("There are as many subscriptions as may be. DELETE one first.").problem,
      TOO_SLOW,
    ],
  },
} as const satisfies Endpoint;

export const REMOVE_SUBSCRIPTION = {
  method: "DELETE",
  path: ONE,
  scope: "admin",
  operation: {
    id: "removeSubscription",
    tag: "Share the work",
    summary: "Remove a subscription, with its leases and dead letters",
    path: PATH,
    query: NO_PARAMETERS,
    replies: { 204: { description: "It is gone." } },
    problems: NAMED_PROBLEMS,
  },
} as const satisfies Endpoint;

export const NEXT_EVENTS = {
  method: "GET",
  path: `${ONE}/next`,
  scope: "read",
  operation: {
    id: "nextEvents",
    tag: "Share the work",
    summary: "Take events to work on",
    path: PATH,
    query: {
      max: {
        schema: Type.Integer({ minimum: 1, maximum: EVENTS_MAX }),
        description: `At most so many events; ${EVENTS_DEFAULT} unless given.`,
        example: 10,
      },
      wait: {
        schema: Type.Integer({ minimum: 0, maximum: WAIT_S_MAX }),
        description: "Seconds to wait for the first one; none unless given.",
        example: 0,
      },
    },
    replies: {
      200: {
        description: "Events, or none where none came in time.",
        content: {
          "application/json": { schema: NextReplySchema, examples: { one: HANDED_OUT, none: { events: [] } } },
        },
      },
    },
    problems: [...NAMED_PROBLEMS, tooMany("As many consumers wait here as may.").problem],
  },
} as const satisfies Endpoint;

/** What acknowledging events and giving them back have in common. */
const ANSWER = {
  path: PATH,
  query: NO_PARAMETERS,
  body: {
    isRequired: true,
    content: { "application/json": { schema: AckBodySchema, examples: { one: { ack_ids: ["3-4711-1"] } } } },
  },
  problems: [...NAMED_PROBLEMS, ...JSON_PROBLEMS],
} as const;

const ANSWERED = "How many were in the caller's hands, and which were not.";

export const ACKNOWLEDGE_EVENTS = {
  method: "POST",
  path: `${ONE}/ack`,
  scope: "read",
  operation: {
    id: "acknowledgeEvents",
    tag: "Share the work",
    summary: "Acknowledge events: they are dealt with",
    ...ANSWER,
    replies: {
      200: {
        description: ANSWERED,
        content: {
          "application/json": { schema: AckReplySchema, examples: { done: { acknowledged: 1, stale: [] } } },
        },
      },
    },
  },
} as const satisfies Endpoint;

export const RETURN_EVENTS = {
  method: "POST",
  path: `${ONE}/nack`,
  scope: "read",
  operation: {
    id: "returnEvents",
    tag: "Share the work",
    summary: "Give events back, to be handed out again at once",
    ...ANSWER,
    replies: {
      200: {
        description: ANSWERED,
        content: {
          "application/json": { schema: NackReplySchema, examples: { late: { returned: 0, stale: ["3-4711-1"] } } },
        },
      },
    },
  },
} as const satisfies Endpoint;

export const LIST_UNDELIVERED = {
  method: "GET",
  path: `${ONE}/dead-letters`,
  scope: "read",
  operation: {
    id: "listUndelivered",
    tag: "Share the work",
    summary: "List what was handed out as often as allowed, in vain",
    path: PATH,
    query: { limit: limitParameter(), cursor: CURSOR },
    replies: {
      200: {
        description: "A page of them, in the order of the feed.",
        headers: { link: LINK },
        content: { "application/json": { schema: Type.Array(UndeliveredSchema), examples: { page: [UNDELIVERED] } } },
      },
    },
    problems: NAMED_PROBLEMS,
  },
} as const satisfies Endpoint;
