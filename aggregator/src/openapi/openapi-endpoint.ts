/** What `GET /openapi.json` is. */
import { Type } from "@sinclair/typebox";
import type { Endpoint } from "../route.ts";
import { FILE_HEADERS, IF_NONE_MATCH } from "./headers.ts";

export const SHOW_OPENAPI = {
  method: "GET",
  path: "/openapi.json",
  scope: "anybody",
  operation: {
    id: "showOpenApi",
    tag: "Watch",
    summary: "This document",
    headers: IF_NONE_MATCH,
    replies: {
      200: {
        description: "OpenAPI 3.1. `aggregator openapi` prints it without a running service.",
        headers: FILE_HEADERS,
        content: { "application/json": { schema: Type.Object({ openapi: Type.String() }) } },
      },
      304: { description: "It is the one that `If-None-Match` names.", headers: FILE_HEADERS },
    },
    problems: [],
  },
} as const satisfies Endpoint;
