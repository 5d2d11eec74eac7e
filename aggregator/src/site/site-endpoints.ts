/** What a page for people, and a file that it loads, are. */
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

export function pageEndpoint(path: string, id: string, summary: string): Endpoint {
  return {
    method: "GET",
    path,
    scope: "anybody",
    operation: {
      id,
      tag: "Watch",
      summary,
      headers: IF_NONE_MATCH,
      replies: {
        200: { description: "A page.", headers: HEADERS, content: { "text/html": { schema: Type.String() } } },
        304: NOT_MODIFIED,
      },
      problems: [],
    },
  };
}

/** @param folder of the page's files, as `bundleSite` names it. */
export function fileEndpoint(folder: string, id: string, summary: string): Endpoint {
  return {
    method: "GET",
    path: `/${folder}/:name`,
    scope: "anybody",
    operation: {
      id,
      tag: "Watch",
      summary,
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
  };
}
