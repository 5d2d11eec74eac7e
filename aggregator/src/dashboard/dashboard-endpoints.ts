/** What the dashboard's page and its files are. */
import { Type } from "@sinclair/typebox";
import { FILE_HEADERS, IF_NONE_MATCH } from "../openapi/headers.ts";
import type { Reply, ReplyHeader } from "../openapi/operation.ts";
import type { Problem } from "../problem.ts";
import type { Endpoint } from "../route.ts";

export const UNKNOWN_FILE: Problem = {
  status: 404,
  title: "Not found",
  detail: "There is no such file; it may be of another version. Load the page again.",
};

const HEADERS = {
  ...FILE_HEADERS,
  "content-security-policy": {
    schema: Type.String(),
    description: "Nothing is loaded from elsewhere.",
    isRequired: true,
  },
} as const satisfies Record<string, ReplyHeader>;

const NOT_MODIFIED: Reply = { description: "It is the one that `If-None-Match` names.", headers: HEADERS };

export const SHOW_DASHBOARD = {
  method: "GET",
  path: "/",
  scope: "anybody",
  operation: {
    id: "showDashboard",
    tag: "Watch",
    summary: "The dashboard",
    headers: IF_NONE_MATCH,
    replies: {
      200: { description: "A page.", headers: HEADERS, content: { "text/html": { schema: Type.String() } } },
      304: NOT_MODIFIED,
    },
    problems: [],
  },
} as const satisfies Endpoint;

export const SHOW_DASHBOARD_FILE = {
  method: "GET",
  path: "/dashboard/:name",
  scope: "anybody",
  operation: {
    id: "showDashboardFile",
    tag: "Watch",
    summary: "A script or a style of the dashboard",
    path: { name: { schema: Type.String(), description: "As the page names it: it changes with the content." } },
    headers: IF_NONE_MATCH,
    replies: {
      200: {
        description: "The file.",
        headers: HEADERS,
        content: { "text/javascript": { schema: Type.String() }, "text/css": { schema: Type.String() } },
      },
      304: NOT_MODIFIED,
    },
    problems: [UNKNOWN_FILE],
  },
} as const satisfies Endpoint;
