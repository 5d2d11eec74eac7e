/** Where to begin to follow, in the words of a request. */
import { timestampFault } from "@sekali/contract";
import { lostPlus, unacceptable } from "../query/parameters.ts";

/** With what comes, with the oldest there is, at a time of arrival, or after a cursor. */
export type Start =
  | { readonly from: "now" | "beginning" }
  | { readonly from: "arrival"; readonly arrival: string }
  | { readonly from: "cursor"; readonly text: string };

/** Undefined where it is none of these. Cursors are the only ones of them with a tilde. */
export function startOf(from: string): Start | undefined {
  if (from === "now" || from === "beginning") return { from };
  if (from.includes("~")) return { from: "cursor", text: from };
  return timestampFault(from) === undefined ? { from: "arrival", arrival: from } : undefined;
}

/** @throws RequestError 422 where it is none of these. */
export function readStart(from: string): Start {
  const start = startOf(from);
  if (start !== undefined) return start;
  const fault = lostPlus(from);
  throw unacceptable(
    fault === undefined
      ? "`from` takes `now`, `beginning`, an RFC 3339 time, or the id of an event."
      : `\`from\` ${fault}.`,
  );
}
