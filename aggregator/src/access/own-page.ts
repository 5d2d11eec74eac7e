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

export const FOREIGN_PAGE_ASKS: Problem = {
  ...FOREIGN_PAGE,
  detail: "No key is asked for here, so no page but the service's own is answered. Other clients need no key.",
};

/**
 * Where nobody is asked for a key, as on loopback: any page that a person opens can have their browser ask there. It
 * reads no answer of another origin, but `ack` without a wait for permission (Fetch section 4.8: a POST of plain text)
 * is an `ack`, and `next`, as the address of an image, takes events away.
 *
 * Only what browsers say by themselves counts, as a proxy may have changed the host; they say it where they trust the
 * connection, so on loopback too. A link that a person follows is answered.
 * @throws RequestError 403
 */
export function refuseForeignPage({ method, headers }: Pick<Request, "method" | "headers">): void {
  const site = headers.get("sec-fetch-site");
  if (site === null || site === "same-origin" || site === "none") return;
  if (method === "GET" && headers.get("sec-fetch-dest") === "document") return;
  throw new RequestError(FOREIGN_PAGE_ASKS);
}

function hostOf(origin: string): string | undefined {
  return URL.parse(origin)?.host;
}
