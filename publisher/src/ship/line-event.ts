/**
 * A line becomes an event. Pure: the same line at the same place gives the same event, to the byte, unless it tells no
 * time of its own.
 *
 * What could not be carried as it was is said in the payload, never passed over:
 * `encoding: "lossy"` (bytes that are not UTF-8 stand as U+FFFD), `nul_replaced: n` (NUL, which Postgres can't keep,
 * stands as U+FFFD), `truncated_from: n` (bytes of the whole line), `timestamp_from: "reading"`.
 * The file's name is left out on purpose: the same file under another name is the same content.
 */
import { lineEventId } from "./identity.ts";
import type { Line } from "./lines.ts";
import { lineTimestamp, type TimestampContext } from "./timestamp.ts";

export type LineContext = TimestampContext & {
  readonly topic: string;
  readonly source: string;
  readonly namespace: Uint8Array;
  readonly nowMs: number;
};

export type LineEvent = {
  readonly eventId: string;
  /** JSON. */
  readonly text: string;
  readonly textBytes: number;
  /** Of the line, for those who report on it. */
  readonly number: number;
  readonly fileBytes: number;
};

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const lossy = new TextDecoder("utf-8", { ignoreBOM: true });

const CARRIAGE_RETURN = 0x0d;
const REPLACEMENT = "\uFFFD";

export function toLineEvent(line: Line, context: LineContext): LineEvent {
  const isTruncated = line.byteLength > line.bytes.byteLength;
  const { text: decoded, isLossy } = decode(isTruncated ? wholeCharacters(line.bytes) : withoutReturn(line.bytes));
  const nuls = countNuls(decoded);
  const content = nuls === 0 ? decoded : decoded.replaceAll("\0", REPLACEMENT);
  const timestamp = lineTimestamp(content, context);
  const payload = {
    line: content,
    number: line.number,
    offset: line.offset,
    ...(isLossy && { encoding: "lossy" }),
    ...(nuls > 0 && { nul_replaced: nuls }),
    ...(isTruncated && { truncated_from: line.byteLength }),
    ...(timestamp === undefined && { timestamp_from: "reading" }),
  };
  const eventId = lineEventId(context.namespace, line);
  const text = JSON.stringify({
    topic: context.topic,
    event_id: eventId,
    timestamp: timestamp ?? new Date(context.nowMs).toISOString(),
    source: context.source,
    payload,
  });
  return { eventId, text, textBytes: Buffer.byteLength(text), number: line.number, fileBytes: line.fileBytes };
}

function decode(bytes: Uint8Array): { text: string; isLossy: boolean } {
  try {
    return { text: strict.decode(bytes), isLossy: false };
  } catch {
    return { text: lossy.decode(bytes), isLossy: true };
  }
}

function withoutReturn(bytes: Uint8Array): Uint8Array {
  return bytes.at(-1) === CARRIAGE_RETURN ? bytes.subarray(0, -1) : bytes;
}

/** A cut in the middle of a character is ours, and must not look like a fault of the line's. */
function wholeCharacters(bytes: Uint8Array): Uint8Array {
  let start = bytes.byteLength - 1;
  while (start > bytes.byteLength - 4 && ((bytes[start] ?? 0) & 0xc0) === 0x80) start -= 1;
  const lead = bytes[start] ?? 0;
  const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1;
  return start >= 0 && start + length > bytes.byteLength ? bytes.subarray(0, start) : bytes;
}

function countNuls(text: string): number {
  let count = 0;
  for (let at = text.indexOf("\0"); at !== -1; at = text.indexOf("\0", at + 1)) count += 1;
  return count;
}
