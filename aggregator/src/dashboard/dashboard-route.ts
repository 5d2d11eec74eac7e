/**
 * `GET /`: the dashboard, and `GET /dashboard/:name`: its script and its style.
 *
 * It reads the same public replies as everybody else, with no rights of its own. Nothing is loaded from elsewhere, and
 * the browser is told to hold it to that. Names of assets change with their content, so they are kept for ever; the
 * page is asked for again, and answered with 304 while it is the same.
 */
import { createHash } from "node:crypto";
import { RequestError } from "../problem.ts";
import type { Route } from "../route.ts";

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
  vary: "accept-encoding",
} as const;

const FOR_EVER = "public, max-age=31536000, immutable";
const ASK_AGAIN = "no-cache";

interface File {
  readonly type: string;
  readonly caching: string;
  readonly etag: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  readonly gzipped: Uint8Array<ArrayBuffer>;
}

export class DashboardRoute {
  readonly routes: readonly Route[] = [
    { method: "GET", path: "/", scope: "anybody", handle: (request) => this.page(request) },
    {
      method: "GET",
      path: "/dashboard/:name",
      scope: "anybody",
      handle: (request, { name = "" }) => this.asset(request, name),
    },
  ];
  #files: Promise<ReadonlyMap<string, File>> | undefined;

  async page(request: Request): Promise<Response> {
    return await this.#answer(request, "");
  }

  async asset(request: Request, name: string): Promise<Response> {
    return await this.#answer(request, name);
  }

  async #answer(request: Request, name: string): Promise<Response> {
    this.#files ??= loadFiles();
    const file = (await this.#files).get(name);
    if (file === undefined) {
      const detail = "The dashboard has no such file; it may be of another version. Load the page again.";
      throw new RequestError({ status: 404, title: "Not found", detail });
    }
    const headers = { ...HEADERS, "cache-control": file.caching, etag: file.etag };
    if (names(request.headers.get("if-none-match"), file.etag)) return new Response(null, { status: 304, headers });
    const isGzip = /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(request.headers.get("accept-encoding") ?? "");
    return new Response(isGzip ? file.gzipped : file.plain, {
      headers: { ...headers, "content-type": file.type, ...(isGzip && { "content-encoding": "gzip" }) },
    });
  }
}

/** Whether a header like `If-None-Match` names this tag (RFC 9110: weak and strong ones are alike here). */
function names(header: string | null, etag: string): boolean {
  const tags = (header ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(etag.replace(/^W\//, ""));
}

/** By name; the page's own name is empty. */
async function loadFiles(): Promise<ReadonlyMap<string, File>> {
  const { SITE } = await import("./assets.ts");
  const files = new Map<string, File>();
  files.set("", fileOf("text/html; charset=utf-8", ASK_AGAIN, SITE.page));
  for (const { name, type, text } of SITE.assets) files.set(name, fileOf(type, FOR_EVER, text));
  return files;
}

function fileOf(type: string, caching: string, text: string): File {
  const plain = Buffer.from(text);
  // Weak: the compressed and the plain form are the same page in other bytes.
  const etag = `W/"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`;
  return { type, caching, etag, plain, gzipped: Bun.gzipSync(plain, { level: 9 }) };
}
