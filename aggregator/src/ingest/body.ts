/**
 * Reads a request's body up to a limit.
 *
 * A declared length over the limit is refused before a byte is read. A chunked body has no declared length, so it is
 * counted while it arrives and given up as soon as it is too large. A length that is not a number never arrives here:
 * the HTTP server refuses it.
 */
export async function readBody(request: Request, bytesMax: number): Promise<Uint8Array | "too_large"> {
  const declared = request.headers.get("content-length");
  if (declared !== null) {
    if (Number(declared) > bytesMax) return "too_large";
    return request.bytes();
  }
  if (request.body === null) return new Uint8Array(0);
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body) {
    bytes += chunk.length;
    if (bytes > bytesMax) return "too_large";
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}
