/**
 * The bytes of server-sent events (WHATWG HTML, "Server-sent events"). An id is written with the last event of a chunk
 * only: whoever comes back with it has at most that chunk again.
 */
import type { FeedEvent } from "../store/feed-port.ts";

/** Why a stream has ended, as the data of its last event says. */
export type EndReason = "slow" | "draining" | "expired" | "unauthorized";

const encoder = new TextEncoder();

/** The first bytes: proxies and clients see at once that the stream is open. `retry` is in milliseconds. */
export function encodeOpening(id: string, retryMs: number): Uint8Array {
  return encoder.encode(`: following\nretry: ${retryMs}\nid: ${id}\n\n`);
}

/** A comment, and the place up to which nothing matched. An id without data dispatches no event. */
export function encodeHeartbeat(id: string): Uint8Array {
  return encoder.encode(`:\nid: ${id}\n\n`);
}

/** @param events at least one. Their records are JSON as Postgres writes it: on one line. */
export function encodeEvents(events: readonly FeedEvent[], id: string): Uint8Array {
  let text = "";
  const last = events.length - 1;
  events.forEach(({ record }, index) => {
    text += index === last ? `event: event\nid: ${id}\ndata: ${record}\n\n` : `event: event\ndata: ${record}\n\n`;
  });
  return encoder.encode(text);
}

export function encodeEnd(id: string, reason: EndReason): Uint8Array {
  return encoder.encode(`event: end\nid: ${id}\ndata: ${JSON.stringify({ reason, cursor: id })}\n\n`);
}
