/**
 * A file that the service carries in itself: compressed once, known by its tag, and asked for again or kept for ever.
 */
import { createHash } from "node:crypto";

/** Its name changes with its content. */
export const FOR_EVER = "public, max-age=31536000, immutable";
/** Answered with 304 while it is the same. */
export const ASK_AGAIN = "no-cache";

export interface ServedFile {
  readonly type: string;
  readonly caching: string;
  readonly etag: string;
  readonly plain: Uint8Array<ArrayBuffer>;
  /** Made when it is first asked for: a large file takes a tenth of a second. */
  readonly gzipped: () => Uint8Array<ArrayBuffer>;
}

export function makeServedFile(type: string, caching: string, text: string): ServedFile {
  const plain = Buffer.from(text);
  // Weak: the compressed and the plain form are the same page in other bytes.
  const etag = `W/"${createHash("sha256").update(plain).digest("base64url").slice(0, 22)}"`;
  let gzipped: Uint8Array<ArrayBuffer> | undefined;
  return { type, caching, etag, plain, gzipped: () => (gzipped ??= Bun.gzipSync(plain, { level: 9 })) };
}

/** @param more headers beside those of the file itself. */
export function serveFile(request: Request, file: ServedFile, more: Readonly<Record<string, string>> = {}): Response {
  const headers = { ...more, vary: "accept-encoding", "cache-control": file.caching, etag: file.etag };
  if (names(request.headers.get("if-none-match"), file.etag)) return new Response(null, { status: 304, headers });
  const isGzip = /\bgzip\b(?!\s*;\s*q=0(\.0*)?\s*(,|$))/.test(request.headers.get("accept-encoding") ?? "");
  return new Response(isGzip ? file.gzipped() : file.plain, {
    headers: { ...headers, "content-type": file.type, ...(isGzip && { "content-encoding": "gzip" }) },
  });
}

/** Whether a header like `If-None-Match` names this tag (RFC 9110: weak and strong ones are alike here). */
function names(header: string | null, etag: string): boolean {
  const tags = (header ?? "").split(",").map((tag) => tag.trim().replace(/^W\//, ""));
  return tags.includes("*") || tags.includes(etag.replace(/^W\//, ""));
}
