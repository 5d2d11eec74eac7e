/**
 * Bytes over a socket, for requests that no HTTP client would send.
 */
import { connect } from "node:net";
import { within } from "./eventually.ts";

export interface RawReply {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
  readonly text: string;
}

export function parseReply(text: string): RawReply {
  const [head = "", ...bodyParts] = text.split("\r\n\r\n");
  const [statusLine = "", ...headerLines] = head.split("\r\n");
  const headers = new Map(
    headerLines.map((line) => {
      const colon = line.indexOf(":");
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()] as const;
    }),
  );
  return { status: Number(statusLine.split(" ")[1]), headers, body: bodyParts.join("\r\n\r\n"), text };
}

const REPLY_MS_MAX = 10_000;

type Part = string | Uint8Array;

export interface Exchange {
  /** Whether the client closes its own side after the last part, and goes on to listen. */
  readonly isEnded?: boolean;
  /** How long the server may take to close the connection. */
  readonly milliseconds?: number;
}

/** Sends the parts one after the other on one connection; gives all that came back until the server closed it. */
export async function exchange(
  url: string,
  parts: readonly Part[] | AsyncIterable<Part>,
  { isEnded = false, milliseconds = REPLY_MS_MAX }: Exchange = {},
): Promise<string> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  const ended = Promise.withResolvers<string>();
  const received: Buffer[] = [];
  const finish = () => ended.resolve(Buffer.concat(received).toString("utf8"));
  socket.on("data", (chunk: Buffer) => received.push(chunk));
  socket.on("close", finish);
  // A server that refuses a request early may reset the connection while the rest is still being sent.
  socket.on("error", finish);
  socket.on("connect", async () => {
    for await (const part of parts) {
      if (socket.destroyed || socket.writableEnded) return;
      socket.write(part);
    }
    if (isEnded) socket.end();
  });
  try {
    return await within(ended.promise, milliseconds, "the end of the reply");
  } finally {
    socket.destroy();
  }
}

/** Never ends: one byte now and then, for as long as somebody takes them. */
export async function* dribbled(first: string, byte: string): AsyncGenerator<string> {
  yield first;
  for (;;) {
    await Bun.sleep(500);
    yield byte;
  }
}

export interface RawRequest {
  readonly method?: string;
  readonly path?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
}

/** One request, byte for byte, whose connection the server is asked to close. */
export async function rawRequest(
  url: string,
  { method = "POST", path = "/publish", headers = {}, body = "" }: RawRequest,
): Promise<RawReply> {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  const all: Record<string, string> = { host: new URL(url).host, connection: "close", ...headers };
  if (bytes.length > 0 && all["transfer-encoding"] === undefined && all["content-length"] === undefined) {
    all["content-length"] = String(bytes.length);
  }
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return parseReply(await exchange(url, [`${method} ${path} HTTP/1.1\r\n${head.join("")}\r\n`, bytes]));
}

/** A body in HTTP/1.1 chunks, without a content-length. */
export function chunked(pieces: readonly string[]): string {
  const chunks = pieces.map((piece) => `${Buffer.byteLength(piece).toString(16)}\r\n${piece}\r\n`);
  return `${chunks.join("")}0\r\n\r\n`;
}
