/** Response headers that several routes have, each described once. */
import { Type } from "@sinclair/typebox";
import type { Parameters, ReplyHeader } from "./operation.ts";

export const LINK: ReplyHeader = {
  schema: Type.String({ pattern: '^<[^>]+>; rel="(?:next|related)"$' }),
  description: 'RFC 8288: `rel="next"` is the next page. It is absent on the last one.',
  isRequired: false,
};

/** Of problems, by name. */
export const HEADERS: Readonly<Record<string, Omit<ReplyHeader, "isRequired">>> = {
  "retry-after": {
    schema: Type.Integer({ minimum: 1 }),
    description: "Seconds after which it is worth trying again.",
  },
  allow: { schema: Type.String(), description: "The methods that the path takes." },
  accept: { schema: Type.String(), description: "The content types that are taken (RFC 9110, section 15.5.16)." },
  "accept-encoding": { schema: Type.String(), description: "The content codings that are taken." },
  connection: { schema: Type.String(), description: "`close` where the body was not read to its end." },
  "www-authenticate": { schema: Type.String(), description: "How to send a key." },
};

export const VARY: ReplyHeader = {
  schema: Type.String(),
  description: "What of the request the reply depends on.",
  isRequired: true,
};

/** Of files that the service carries in itself. */
export const FILE_HEADERS = {
  etag: { schema: Type.String(), description: "For `If-None-Match`.", isRequired: true },
  "cache-control": { schema: Type.String(), description: "How long it may be kept.", isRequired: true },
  vary: VARY,
} as const satisfies Readonly<Record<string, ReplyHeader>>;

export const IF_NONE_MATCH = {
  "if-none-match": { schema: Type.String(), description: "An `ETag` that was seen before.", example: 'W/"abc"' },
} as const satisfies Parameters;
