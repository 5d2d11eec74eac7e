/** What `/session` is: how the dashboard signs in and out. */
import { type Session, SessionBodySchema, SessionReplySchema, SessionSchema } from "@sekali/contract";
import { Type } from "@sinclair/typebox";
import { BODY_PROBLEMS } from "../ingest/body.ts";
import type { ReplyHeader } from "../openapi/operation.ts";
import { type Problem, STORE_AWAY, TOO_SLOW } from "../problem.ts";
import { NO_PARAMETERS, QUERY_REFUSED } from "../query/parameters.ts";
import type { Endpoint } from "../route.ts";
import { MALFORMED, unfitting } from "../subscribe/json-body.ts";
import { UNKNOWN_KEY } from "./gate.ts";
import { FOREIGN_PAGE } from "./own-page.ts";

export const NOTHING_TO_SIGN_IN_TO: Problem = {
  status: 404,
  title: "Not found",
  detail: "ACCESS is open: nobody is asked for a key, so there is nothing to sign in to.",
};

const SESSION: Session = {
  name: "operator",
  scopes: ["read", "admin"],
  topics: [">"],
  expires_at: "2026-01-31T23:59:59Z",
};

const SET_COOKIE = {
  "set-cookie": {
    schema: Type.String(),
    description: "The session: HttpOnly, SameSite=Strict, and Secure over HTTPS.",
    isRequired: true,
  },
} as const satisfies Record<string, ReplyHeader>;

const PATH = "/session";

export const SHOW_SESSION = {
  method: "GET",
  path: PATH,
  scope: "anybody",
  operation: {
    id: "showSession",
    tag: "Watch",
    summary: "Say whether keys are asked for, and who the browser is signed in as",
    query: NO_PARAMETERS,
    replies: {
      200: {
        description: "Also where there is no session.",
        content: {
          "application/json": {
            schema: SessionReplySchema,
            examples: {
              open: { access: "open", session: null },
              "signed in": { access: "keys", session: SESSION },
            },
          },
        },
      },
    },
    problems: [QUERY_REFUSED, STORE_AWAY, TOO_SLOW],
  },
} as const satisfies Endpoint;

export const SIGN_IN = {
  method: "POST",
  path: PATH,
  scope: "anybody",
  operation: {
    id: "signIn",
    tag: "Watch",
    summary: "Sign in with a key, for twelve hours at most",
    description:
      "For the dashboard, which must not put a key into a URL. The session is good for what the key is good for, and " +
      "ends with it. Other clients send their key with each request.",
    query: NO_PARAMETERS,
    body: {
      isRequired: true,
      content: { "application/json": { schema: SessionBodySchema, examples: { key: { key: "sekali_…" } } } },
    },
    replies: {
      200: {
        description: "Signed in.",
        headers: SET_COOKIE,
        content: { "application/json": { schema: SessionSchema, examples: { session: SESSION } } },
      },
    },
    problems: [
      NOTHING_TO_SIGN_IN_TO,
      UNKNOWN_KEY,
      FOREIGN_PAGE,
      QUERY_REFUSED,
      MALFORMED,
      unfitting([{ pointer: "/key", detail: "Expected required property" }]),
      ...BODY_PROBLEMS,
      STORE_AWAY,
      TOO_SLOW,
    ],
  },
} as const satisfies Endpoint;

export const SIGN_OUT = {
  method: "DELETE",
  path: PATH,
  scope: "anybody",
  operation: {
    id: "signOut",
    tag: "Watch",
    summary: "Sign out",
    query: NO_PARAMETERS,
    replies: { 204: { description: "The browser has forgotten the session.", headers: SET_COOKIE } },
    problems: [NOTHING_TO_SIGN_IN_TO, FOREIGN_PAGE, QUERY_REFUSED],
  },
} as const satisfies Endpoint;
