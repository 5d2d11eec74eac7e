/**
 * What all reading routes share: query parameters, limits, and the keyset cursors of their pages.
 *
 * A name that a route does not know, and one that is there twice, is refused: a misspelt filter must not look like one
 * that matched everything.
 */
import { EVENTS_PAGE_DEFAULT, EVENTS_PAGE_MAX, instantFault } from "@sekali/contract";
import { type TSchema, Type } from "@sinclair/typebox";
import type { Parameter, Parameters } from "../openapi/operation.ts";
import { type Problem, RequestError } from "../problem.ts";
import { targetOf } from "../request-target.ts";

/**
 * @param known what the endpoint describes: what is not described is not taken.
 * @throws RequestError 422 naming the parameter that is unknown or repeated.
 */
export function readParameters(request: Request, known: Parameters): URLSearchParams {
  const parameters = targetOf(request).searchParams;
  for (const name of parameters.keys()) {
    if (!isKnown(name, known)) throw unacceptable(`There is no query parameter \`${name.slice(0, 64)}\`.`);
    if (parameters.getAll(name).length > 1) throw unacceptable(`The query parameter \`${name}\` is there twice.`);
  }
  return parameters;
}

export const NO_PARAMETERS: Parameters = {};

function isKnown(name: string, known: Parameters): boolean {
  if (Object.hasOwn(known, name)) return true;
  return Object.entries(known).some(([prefix, { familyMax }]) => familyMax !== undefined && name.startsWith(prefix));
}

/** `limit` as `readLimit` judges it. */
export function limitParameter(usual = EVENTS_PAGE_DEFAULT, schema: TSchema = PAGE_ROWS): Parameter {
  return { schema, description: `At most so many of them; ${usual} unless given.`, example: Math.min(usual, 100) };
}

const PAGE_ROWS = Type.Integer({ minimum: 1, maximum: EVENTS_PAGE_MAX });

/** `cursor` as `decodeCursor` judges it. */
export const CURSOR: Parameter = {
  schema: Type.String({ format: "sekali-cursor" }),
  description: "Where a page begins. It comes from a `Link` header, and belongs to the filters that it stands beside.",
};

/** Rows of a page: `EVENTS_PAGE_DEFAULT` unless `text` says otherwise, at most `EVENTS_PAGE_MAX`. */
export function readLimit(text: string | null): number {
  if (text === null) return EVENTS_PAGE_DEFAULT;
  const limit = /^\d{1,6}$/.test(text) ? Number(text) : Number.NaN;
  if (!(limit >= 1 && limit <= EVENTS_PAGE_MAX)) {
    throw unacceptable(`The query parameter \`limit\` takes a whole number from 1 to ${EVENTS_PAGE_MAX}.`);
  }
  return limit;
}

export function judged(
  parameters: URLSearchParams,
  name: string,
  fault: (value: string) => string | undefined,
): string | undefined {
  const value = parameters.get(name);
  if (value === null) return undefined;
  const found = fault(value);
  if (found !== undefined) throw unacceptable(`The query parameter \`${name}\` ${found}.`);
  return value;
}

/** Opaque to callers: they should follow links, not build them. */
export function encodeCursor(parts: readonly string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/**
 * @param faults one check for each part, as the contract's `…Fault` functions are.
 * @throws RequestError 422 where the text is not a cursor of so many sound parts.
 */
export function decodeCursor(
  text: string,
  faults: readonly ((part: string) => string | undefined)[],
): readonly string[] {
  try {
    const parts: unknown = JSON.parse(Buffer.from(text, "base64url").toString("utf8"));
    if (Array.isArray(parts) && parts.length === faults.length) {
      const strings = parts.map(String);
      if (faults.every((fault, index) => fault(strings[index] ?? "") === undefined)) return strings;
    }
  } catch {
    // Not one of ours either.
  }
  throw unacceptable("The query parameter `cursor` is not one that a `Link` header of this service carried.");
}

/** The `Link` header (RFC 8288) of the next page: the same query from a cursor on. */
export function nextLink(path: string, parameters: URLSearchParams, cursor: string): string {
  const next = new URLSearchParams(parameters);
  next.set("cursor", cursor);
  return `<${path}?${next}>; rel="next"`;
}

/** What is wrong with the bound of a time span, or undefined where it is fine. */
export function boundFault(text: string): string | undefined {
  const fault = instantFault(text);
  return fault === undefined ? undefined : (lostPlus(text) ?? fault);
}

/**
 * A likely cause of a time that does not fit: a `+` of its offset that was not written as `%2B` has become a space on
 * the way, as the query of a URL has it. Undefined: that is not the fault.
 */
export function lostPlus(text: string): string | undefined {
  const meant = text.replace(/ (?=\d\d:\d\d$)/, "+");
  if (meant === text || instantFault(meant) !== undefined) return undefined;
  return "must have the + of its offset written as %2B: in a query, + is a space";
}

/** What `readParameters` and those who judge a value say, for example. */
export const QUERY_REFUSED: Problem = unacceptable("There is no query parameter `topik`.").problem;

export function unacceptable(detail: string): RequestError {
  return new RequestError({ status: 422, name: "unacceptable", title: "Query does not fit", detail });
}
