/** Where to begin to follow, in the words of a request. */
import { timestampFault } from "@sekali/contract";
import { timeFault, unacceptable } from "../query/parameters.ts";

/** With what comes, with the oldest there is, at a time of arrival, or after a cursor. */
export type Start =
  | { readonly from: "now" | "beginning" }
  | { readonly from: "arrival"; readonly arrival: string }
  | { readonly from: "cursor"; readonly text: string };

/** @throws RequestError 422 where it is none of these. Cursors are the only ones of them with a tilde. */
export function readStart(from: string): Start {
  if (from === "now" || from === "beginning") return { from };
  if (from.includes("~")) return { from: "cursor", text: from };
  const fault = timeFault(from, timestampFault);
  if (fault === undefined) return { from: "arrival", arrival: from };
  if (fault !== timestampFault(from)) throw unacceptable(`\`from\` ${fault}.`);
  throw unacceptable("`from` takes `now`, `beginning`, an RFC 3339 time, or the id of an event.");
}
