/**
 * Reads a request's body up to a limit, undoing its `Content-Encoding`.
 *
 * A declared length over the limit is refused before a byte is read. A chunked body has no declared length, so it is
 * counted while it arrives and given up as soon as it is too large; so is what a compressed body inflates to. A length
 * that is not a number never arrives here: the HTTP server refuses it, and it cuts off who is too slow, with a head
 * after 11 s and with a body after a minute.
 */
import { BODY_BYTES_MAX_DEFAULT } from "@sekali/contract";
import { type Problem, RequestError } from "../problem.ts";
import { codingFault, inflate, readCodings, unsupportedCoding } from "./content-coding.ts";

/** What `readBody` throws, for example. */
export const BODY_PROBLEMS: readonly Problem[] = [
  codingFault(undefined).problem,
  tooLarge(BODY_BYTES_MAX_DEFAULT).problem,
  unsupportedCoding("This content coding is not known here").problem,
];

/**
 * @param bytesMax of what was sent and of what it inflates to.
 * @throws RequestError 413, 415 for an unknown coding, or 400 for a body that is not what its coding says, or has no
 * end because its sender has gone: that is no fault of ours to be logged, though nobody is left to read the reply.
 */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array> {
  try {
    return await readDecoded(request, bytesMax);
  } catch (error) {
    const isGone = error instanceof DOMException && error.name === "AbortError";
    throw isGone ? new RequestError(INCOMPLETE) : error;
  }
}

async function readDecoded(request: Request, bytesMax: number): Promise<Uint8Array> {
  const declared = request.headers.get("content-length");
  if (declared !== null && Number(declared) > bytesMax) throw tooLarge(bytesMax);
  const encoding = request.headers.get("content-encoding");
  if (encoding !== null) return readEncoded(request, encoding, bytesMax);
  if (declared !== null) return request.bytes();
  return request.body === null ? new Uint8Array(0) : collect(request.body, bytesMax);
}

async function readEncoded(request: Request, encoding: string, bytesMax: number): Promise<Uint8Array> {
  const codings = readCodings(encoding);
  if (request.body === null) return new Uint8Array(0);
  if (codings.length === 0) return collect(request.body, bytesMax);
  try {
    return await collect(
      inflate(request.body, codings, bytesMax, () => tooLarge(bytesMax)),
      bytesMax,
    );
  } catch (error) {
    throw codingFault(error);
  }
}

async function collect(stream: ReadableStream<Uint8Array>, bytesMax: number): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of stream) {
    bytes += chunk.length;
    if (bytes > bytesMax) throw tooLarge(bytesMax);
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

const INCOMPLETE: Problem = {
  status: 400,
  name: "incomplete",
  title: "Incomplete body",
  detail: "The body has no end.",
  headers: { connection: "close" },
};

export function tooLarge(bytesMax: number): RequestError {
  return new RequestError({
    status: 413,
    name: "body-too-large",
    title: "Body too large",
    detail: `A body may have at most ${bytesMax} bytes, inflated too; send the events in several requests.`,
  });
}
