/**
 * Whether a browser was told to ask by our own page. It sends a cookie along whoever told it to, as long as they are of
 * the same site, and another port of this machine is of the same site.
 *
 * Browsers say who by `Sec-Fetch-Site` where the connection is one they trust (HTTPS, or localhost), and by `Origin`,
 * which is there with all methods but GET and HEAD (Fetch Metadata; Fetch section 3.2).
 */
import { type Problem, RequestError } from "../problem.ts";

export const FOREIGN_PAGE: Problem = {
  status: 403,
  name: "foreign-page",
  title: "Another page has asked",
  detail: "A session is good for requests of the dashboard's own page. Other clients send a key.",
};

/**
 * @param mustSay whether a request that says nothing of where it comes from is refused too.
 * @throws RequestError 403
 */
export function requireOwnPage({ headers }: Pick<Request, "headers">, mustSay: boolean): void {
  const site = headers.get("sec-fetch-site");
  const origin = headers.get("origin");
  // `none`: a person has typed the address, or followed a bookmark.
  if (site !== null) {
    if (site === "same-origin" || (site === "none" && !mustSay)) return;
  } else if (origin === null ? !mustSay : hostOf(origin) === headers.get("host")) return;
  throw new RequestError(FOREIGN_PAGE);
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host;
}
