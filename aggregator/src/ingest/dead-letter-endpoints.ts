/** What `/dead-letters` and each of them are. */
import { type DeadLetterReply, DeadLetterSchema, EventSchema, PublishReplySchema } from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import { ARRIVAL, SENT_EVENT } from "../openapi/examples.ts";
import { LINK } from "../openapi/headers.ts";
import { ofFirst } from "../openapi/links.ts";
import type { Parameters } from "../openapi/operation.ts";
import { type Problem, STORE_AWAY, TOO_SLOW } from "../problem.ts";
import { CURSOR, limitParameter, NO_PARAMETERS, QUERY_REFUSED } from "../query/parameters.ts";
import type { Endpoint } from "../route.ts";
import { INTAKE_PROBLEMS } from "./intake.ts";
import { CODING_HEADER, EVENTS_PROBLEMS, notJson } from "./publish-endpoint.ts";

export const UNKNOWN_LETTER: Problem = { status: 404, title: "Not found", detail: "There is no such dead letter." };

export function roomProblem(deliveries: number, events: number): Problem {
  const detail = `The dead letter stands for ${deliveries} deliveries; the body holds ${events} events.`;
  return { status: 422, name: "unacceptable", title: "Not what died", detail };
}

export function resolvedProblem(state: string): Problem {
  const detail = `The dead letter was ${state} before, and is not open any more.`;
  return { status: 409, name: "resolved", title: "Already resolved", detail };
}

const ONE = "/dead-letters/:shard/:seq";
const NAME = {
  shard: { schema: Type.Integer({ minimum: 0 }), description: "The shard's number.", example: 3 },
  seq: { schema: Type.Integer({ minimum: 0 }), description: "The last seq that the letter stands for.", example: 4711 },
} as const satisfies Parameters;

const STORE_PROBLEMS: readonly Problem[] = [STORE_AWAY, TOO_SLOW];

const LETTER: DeadLetterReply = {
  shard: 3,
  seq: 4711,
  deliveries: 1,
  sqlstate: "22003",
  reason: "value overflows numeric format",
  dead_at: ARRIVAL,
  state: "kept",
  resolved_at: null,
  bytes: 181,
};

export const LIST_DEAD_LETTERS = {
  method: "GET",
  path: "/dead-letters",
  scope: "admin",
  operation: {
    id: "listDeadLetters",
    tag: "Ask why",
    summary: "List what could not be stored, youngest first",
    query: {
      resolved: {
        schema: Type.Boolean(),
        description: "Those that are replayed or deleted, or those that are not; all unless given.",
        example: false,
      },
      limit: limitParameter(),
      cursor: CURSOR,
    },
    replies: {
      200: {
        description: "A page of dead letters, without what was sent.",
        headers: { link: LINK },
        links: {
          show: ofFirst("showDeadLetter", "shard", "seq"),
          replay: ofFirst("replayDeadLetter", "shard", "seq"),
          delete: ofFirst("deleteDeadLetter", "shard", "seq"),
        },
        content: { "application/json": { schema: Type.Array(DeadLetterSchema), examples: { page: [LETTER] } } },
      },
    },
    problems: [QUERY_REFUSED, ...STORE_PROBLEMS],
  },
} as const satisfies Endpoint;

export const SHOW_DEAD_LETTER = {
  method: "GET",
  path: ONE,
  scope: "admin",
  operation: {
    id: "showDeadLetter",
    tag: "Ask why",
    summary: "Show a dead letter with its reason and what was sent",
    path: NAME,
    query: NO_PARAMETERS,
    replies: {
      200: {
        description: "The dead letter; `raw` where it is text, else `raw_base64`; neither where it is deleted.",
        content: {
          "application/json": {
            schema: DeadLetterSchema,
            examples: { letter: { ...LETTER, raw: JSON.stringify(SENT_EVENT) } },
          },
        },
      },
    },
    problems: [UNKNOWN_LETTER, QUERY_REFUSED, ...STORE_PROBLEMS],
  },
} as const satisfies Endpoint;

export const REPLAY_DEAD_LETTER = {
  method: "POST",
  path: `${ONE}/replay`,
  scope: "admin",
  operation: {
    id: "replayDeadLetter",
    tag: "Ask why",
    summary: "Publish a dead letter again, repaired or as it was",
    description: "A new delivery, counted as one. The letter stays counted as dead, and is `replayed` from then on.",
    path: NAME,
    query: NO_PARAMETERS,
    headers: CODING_HEADER,
    body: {
      description: "The repaired event, or an array of as many as died. Without a body: what was sent.",
      isRequired: false,
      content: {
        "application/json": {
          schema: Type.Union([EventSchema, Type.Array(EventSchema, { minItems: 1 })]),
          examples: { repaired: SENT_EVENT },
        },
      },
    },
    replies: {
      200: {
        description: "It is in the queue, on disk.",
        content: {
          "application/json": { schema: PublishReplySchema, examples: { queued: { status: "queued", count: 1 } } },
        },
      },
    },
    problems: [
      UNKNOWN_LETTER,
      resolvedProblem("deleted"),
      ...EVENTS_PROBLEMS,
      notJson(["application/json"]).problem,
      roomProblem(1, 2),
      QUERY_REFUSED,
      ...INTAKE_PROBLEMS,
      ...STORE_PROBLEMS,
    ],
  },
} as const satisfies Endpoint;

export const DELETE_DEAD_LETTER = {
  method: "DELETE",
  path: ONE,
  scope: "admin",
  operation: {
    id: "deleteDeadLetter",
    tag: "Ask why",
    summary: "Delete what a dead letter holds",
    description: "The row and its count stay. Deleting it again changes nothing, and is fine.",
    path: NAME,
    query: NO_PARAMETERS,
    replies: { 204: { description: "What was sent is gone." } },
    problems: [UNKNOWN_LETTER, resolvedProblem("replayed"), QUERY_REFUSED, ...STORE_PROBLEMS],
  },
} as const satisfies Endpoint;
