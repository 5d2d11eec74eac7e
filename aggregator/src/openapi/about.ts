/** What the document says of the service as a whole, and what all routes share. */
import type { InfoObject, SecuritySchemeObject } from "openapi3-ts/oas31";
import { notCovered } from "../access/covered.ts";
import { scopeMissing, UNKNOWN_KEY } from "../access/gate.ts";
import { FOREIGN_PAGE, FOREIGN_PAGE_ASKS } from "../access/own-page.ts";
import { SESSION_COOKIE } from "../access/session-cookie.ts";
import { INTERNAL, type Problem } from "../problem.ts";
import type { Reply } from "./operation.ts";

export const ABOUT: Omit<InfoObject, "version"> & { readonly summary: string } = {
  title: "Sekali",
  summary: "Takes events at least once, keeps each of them exactly once, and can prove the count.",
  description: [
    "An event is `{topic, event_id, timestamp, source, payload}`; `(topic, event_id)` is its identity. Whatever comes",
    "under an identity that is stored is a duplicate: it is dropped and counted.",
    "",
    "**Repeating a request is always safe.** A 503 does not mean that nothing was stored: send the same events again,",
    "with the same ids, after `Retry-After`.",
    "",
    "**Errors** are problems (RFC 9457, `application/problem+json`). Of a body they name each place that does not fit,",
    "as a JSON pointer. Query parameters that are unknown, or there twice, are refused with 422; only probes, pages",
    "and `/v1/logs` look at none.",
    "",
    "**Keys** are asked for where the service runs with `ACCESS=keys`: as a bearer token, or as the password of basic",
    "authentication. With `ACCESS=open` none is needed, and none is looked at.",
    "",
    "**Methods.** HEAD is answered wherever GET is, and OPTIONS everywhere; any other method of a known path is a 405",
    "whose `Allow` says what the path takes. An unknown path is a 404.",
    "",
    "**Caches.** What GET answers is as of now and for whoever has asked: it says `Cache-Control: no-store`, but for",
    "the pages, their files and this document, which have an `ETag`.",
    "",
    '**Pages** follow each other by `Link: <…>; rel="next"`. Follow it as it is; its `cursor` is opaque.',
    "",
    "Formats named `sekali-…` say a little more than the patterns beside them: a date must exist in the calendar, and",
    "a cursor must be one of this installation. Of numbers, the text is judged: at most 1,000 digits, and exponents up",
    "to ±308.",
  ].join("\n"),
  license: { name: "MIT", identifier: "MIT" },
};

export const SECURITY_SCHEMES = {
  bearer: { type: "http", scheme: "bearer", description: "`Authorization: Bearer KEY`, where `ACCESS=keys`." },
  basic: {
    type: "http",
    scheme: "basic",
    description: "The key as the password, with any user name: for clients that can send nothing else.",
  },
  session: {
    type: "apiKey",
    in: "cookie",
    name: SESSION_COOKIE,
    description: "Of a browser that has signed in at the dashboard; good for requests of the service's own pages.",
  },
} as const satisfies Record<string, SecuritySchemeObject>;

/** The HTTP server itself says so, of any request. */
export const HEADERS_TOO_LARGE: Reply = {
  description: "The request's first line and headers are longer than 16 KiB together. It has no body.",
};

/** By the name of the response in the document. All but the last are those of routes that ask for a key. */
export const SHARED_PROBLEMS: Readonly<Record<string, readonly Problem[]>> = {
  KeyNeeded: [UNKNOWN_KEY],
  KeyNotGoodForThis: [
    scopeMissing("web-frontend", ["publish"], "admin"),
    notCovered("The topic `billing.paid` is not one of this key's.").problem,
    FOREIGN_PAGE,
    FOREIGN_PAGE_ASKS,
  ],
  InternalError: [INTERNAL],
};
