/**
 * Path and query of a request, whatever its Host.
 *
 * Bun puts `request.url` together with the Host header. Where there is none (HTTP/1.0 needs none) or it is no name of
 * a host, the URL is a bare path, or one that `URL` refuses to parse. No route asks for the host: none may fail for it.
 */
const ORIGIN = /^[a-z]+:\/\/[^/?#]*/;

/** @returns a URL of which path and query are the request's own, and the rest means nothing. */
export function targetOf(request: Request): URL {
  return new URL(`http://any${request.url.replace(ORIGIN, "")}`);
}
