/**
 * A page for people and the scripts and styles that it loads, all of them in the binary.
 *
 * A page has no rights of its own: it reads the same public replies as everybody else. Nothing is loaded from
 * elsewhere, and the browser is told to hold it to that. Names of assets change with their content, so they are kept
 * for ever; the page is asked for again, and answered with 304 while it is the same.
 */
import { RequestError } from "../problem.ts";
import type { Endpoint, Route } from "../route.ts";
import { ASK_AGAIN, FOR_EVER, makeServedFile, type ServedFile, serveFile } from "../served-file.ts";
import type { Site } from "./bundle.ts";
import { UNKNOWN_FILE } from "./site-endpoints.ts";

const POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "connect-src 'self'",
  "img-src 'self' data:",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

const HEADERS = {
  "content-security-policy": POLICY,
  "cross-origin-opener-policy": "same-origin",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
} as const;

export class SiteRoute {
  readonly routes: readonly Route[];
  readonly #load: () => Promise<Site>;
  #files: Promise<ReadonlyMap<string, ServedFile>> | undefined;

  /**
   * @param file the endpoint of what the page loads; `name` is its parameter.
   * @param load is called when somebody first asks.
   */
  constructor(page: Endpoint, file: Endpoint, load: () => Promise<Site>) {
    this.#load = load;
    this.routes = [
      { ...page, handle: (request) => this.#answer(request, "") },
      { ...file, handle: (request, { name = "" }) => this.#answer(request, name) },
    ];
  }

  async #answer(request: Request, name: string): Promise<Response> {
    this.#files ??= this.#load().then(filesOf);
    const file = (await this.#files).get(name);
    if (file === undefined) throw new RequestError(UNKNOWN_FILE);
    return serveFile(request, file, HEADERS);
  }
}

/** By name; the page's own name is empty. */
function filesOf({ page, assets }: Site): ReadonlyMap<string, ServedFile> {
  const files = new Map<string, ServedFile>();
  files.set("", makeServedFile("text/html; charset=utf-8", ASK_AGAIN, page));
  for (const { name, type, text } of assets) files.set(name, makeServedFile(type, FOR_EVER, text));
  return files;
}
