/**
 * `GET /`: the dashboard, and `GET /dashboard/:name`: its script and its style.
 *
 * It reads the same public replies as everybody else, with no rights of its own. Nothing is loaded from elsewhere, and
 * the browser is told to hold it to that. Names of assets change with their content, so they are kept for ever; the
 * page is asked for again, and answered with 304 while it is the same.
 */
import { RequestError } from "../problem.ts";
import type { Route } from "../route.ts";
import { ASK_AGAIN, FOR_EVER, makeServedFile, type ServedFile, serveFile } from "../served-file.ts";
import { SHOW_DASHBOARD, SHOW_DASHBOARD_FILE, UNKNOWN_FILE } from "./dashboard-endpoints.ts";

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

export class DashboardRoute {
  readonly routes: readonly Route[] = [
    { ...SHOW_DASHBOARD, handle: (request) => this.page(request) },
    { ...SHOW_DASHBOARD_FILE, handle: (request, { name = "" }) => this.asset(request, name) },
  ];
  #files: Promise<ReadonlyMap<string, ServedFile>> | undefined;

  async page(request: Request): Promise<Response> {
    return await this.#answer(request, "");
  }

  async asset(request: Request, name: string): Promise<Response> {
    return await this.#answer(request, name);
  }

  async #answer(request: Request, name: string): Promise<Response> {
    this.#files ??= loadFiles();
    const file = (await this.#files).get(name);
    if (file === undefined) throw new RequestError(UNKNOWN_FILE);
    return serveFile(request, file, HEADERS);
  }
}

/** By name; the page's own name is empty. */
async function loadFiles(): Promise<ReadonlyMap<string, ServedFile>> {
  const { SITE } = await import("./assets.ts");
  const files = new Map<string, ServedFile>();
  files.set("", makeServedFile("text/html; charset=utf-8", ASK_AGAIN, SITE.page));
  for (const { name, type, text } of SITE.assets) files.set(name, makeServedFile(type, FOR_EVER, text));
  return files;
}
