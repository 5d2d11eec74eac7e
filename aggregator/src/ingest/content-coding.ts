/**
 * `Content-Encoding` of a request: which codings are taken, and how they are undone.
 *
 * A body is inflated as a stream, chunk by chunk and only as far as somebody reads, and what each coding yields is
 * counted before the next one sees it. So a bomb costs as much as the limit and no more, and no layer of several can
 * hide one from the limit. A body that is cut short, or goes on after its end, is an error in every coding, never a
 * shorter body.
 */
import { RequestError } from "../problem.ts";

export type Coding = "gzip" | "deflate" | "zstd";

/** What undoes each name that a sender may use. RFC 9110 section 8.4.1.3: `x-gzip` is gzip. */
const CODINGS: ReadonlyMap<string, Coding> = new Map([
  ["gzip", "gzip"],
  ["x-gzip", "gzip"],
  ["deflate", "deflate"],
  ["zstd", "zstd"],
]);

/** Nobody has a reason for more than one; two are taken because a proxy may add its own. */
const CODINGS_MAX = 2;
/** A stream has no limit that a coding inside another could be held to. */
export const STREAM_CODINGS_MAX = 1;

const ACCEPT_ENCODING = "gzip, deflate, zstd, identity";

/**
 * @returns what has to be undone, the outermost first; empty for a body that is sent as it is.
 * @throws RequestError 415 with `Accept-Encoding` (RFC 9110 section 15.5.16).
 */
export function readCodings(contentEncoding: string | null, codingsMax = CODINGS_MAX): readonly Coding[] {
  if (contentEncoding === null) return [];
  const names = contentEncoding.split(",").map((name) => name.trim().toLowerCase());
  const codings: Coding[] = [];
  for (const name of names) {
    // `identity` says nothing, and so does an empty element (RFC 9110 section 5.6.1.2).
    if (name === "" || name === "identity") continue;
    const coding = CODINGS.get(name);
    if (coding === undefined) throw unsupportedCoding("This content coding is not known here");
    codings.unshift(coding);
  }
  if (codings.length > codingsMax) throw unsupportedCoding(`Such a body has at most ${codingsMax} content coding(s)`);
  return codings;
}

/**
 * Undoes the codings. The stream fails with what `tooLarge` makes as soon as a coding is given more than `bytesMax`,
 * and with something that `codingFault` tells the sender where its bytes are not what the coding says. What the last
 * coding yields is for the reader to count.
 */
export function inflate(
  body: ReadableStream<Uint8Array>,
  codings: readonly Coding[],
  bytesMax: number,
  tooLarge: () => Error,
): ReadableStream<Uint8Array> {
  let stream = body;
  for (const coding of codings) stream = undone(counted(stream, bytesMax, tooLarge), coding);
  return stream;
}

function undone(source: ReadableStream<Uint8Array>, coding: Coding): ReadableStream<Uint8Array> {
  // Bun knows zstd, which the type of the standard does not name yet.
  const undo = new DecompressionStream(coding as ConstructorParameters<typeof DecompressionStream>[0]);
  return source.pipeThrough(undo as unknown as ReadableWritablePair<Uint8Array, Uint8Array>);
}

function counted(
  source: ReadableStream<Uint8Array>,
  bytesMax: number,
  tooLarge: () => Error,
): ReadableStream<Uint8Array> {
  let bytes = 0;
  return source.pipeThrough(
    new TransformStream<Uint8Array, Uint8Array>({
      transform(chunk, controller) {
        bytes += chunk.length;
        if (bytes > bytesMax) throw tooLarge();
        controller.enqueue(chunk);
      },
    }),
  );
}

/** What a stream that `inflate` made has failed with, for the sender. */
export function codingFault(error: unknown): RequestError {
  if (error instanceof RequestError) return error;
  return new RequestError({
    status: 400,
    name: "malformed",
    title: "Malformed body",
    detail: "The body is not what its Content-Encoding says: it is damaged, cut short, or has something after its end.",
    headers: { connection: "close" },
  });
}

export function unsupportedCoding(fault: string): RequestError {
  return new RequestError({
    status: 415,
    name: "unsupported-encoding",
    title: "Unsupported content coding",
    detail: `${fault}; send the body as gzip, deflate (zlib), zstd, or as it is.`,
    headers: { "accept-encoding": ACCEPT_ENCODING, connection: "close" },
  });
}
