/**
 * Cuts the wire protocols of Redis and Postgres into whole messages, so that a proxy can stop between two of them.
 * A framer keeps the unfinished rest of what it was fed; nothing is changed or lost. HTTP is passed on as it comes.
 *
 * Sources: PostgreSQL manual, "Message Formats"; Redis documentation, "Redis serialization protocol specification".
 */

export type Direction = "request" | "reply";
export type Protocol = "http" | "postgres" | "redis";

/** Feeds bytes in, gives the messages that are whole by now. */
export type Framer = (chunk: Buffer) => Buffer[];

/** The length of the first whole message in `bytes`, or undefined when more bytes are needed. */
type Measure = (bytes: Buffer) => number | undefined;

function framerOf(measure: Measure): Framer {
  let rest: Buffer = Buffer.alloc(0);
  return (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const messages: Buffer[] = [];
    for (;;) {
      const length = rest.length === 0 ? undefined : measure(rest);
      if (length === undefined || length > rest.length) return messages;
      messages.push(rest.subarray(0, length));
      rest = rest.subarray(length);
    }
  };
}

const TYPE_BYTES = 1;
const LENGTH_BYTES = 4;
const SSL_REQUEST_CODE = 80_877_103;
const SSL_REPLY_BYTES = 1;

function measureTyped(bytes: Buffer): number | undefined {
  return bytes.length < TYPE_BYTES + LENGTH_BYTES ? undefined : TYPE_BYTES + bytes.readInt32BE(TYPE_BYTES);
}

function postgresRequests(): Framer {
  let started = false;
  return framerOf((bytes) => {
    if (started) return measureTyped(bytes);
    // The start-up message and the question for TLS carry no type byte; the question is followed by a start-up message.
    if (bytes.length < 2 * LENGTH_BYTES) return undefined;
    const length = bytes.readInt32BE(0);
    if (bytes.length >= length) started = bytes.readInt32BE(LENGTH_BYTES) !== SSL_REQUEST_CODE;
    return length;
  });
}

function postgresReplies(): Framer {
  let first = true;
  return framerOf((bytes) => {
    // The answer to the question for TLS is one bare byte; every other first reply is an authentication message.
    const bare = first && (bytes[0] === 0x4e || bytes[0] === 0x53);
    const length = bare ? SSL_REPLY_BYTES : measureTyped(bytes);
    if (length !== undefined && bytes.length >= length) first = false;
    return length;
  });
}

const LINE_END = "\r\n";

/** Where the value that starts at `from` ends, or undefined when it is not whole. */
function endOfResp(bytes: Buffer, from: number): number | undefined {
  const end = bytes.indexOf(LINE_END, from);
  if (end < 0) return undefined;
  const afterLine = end + LINE_END.length;
  const type = String.fromCharCode(bytes[from] ?? 0);
  const size = Number(bytes.toString("latin1", from + 1, end));
  if ("$!=".includes(type)) {
    const after = size < 0 ? afterLine : afterLine + size + LINE_END.length;
    return after <= bytes.length ? after : undefined;
  }
  if (!"*%~>".includes(type)) return afterLine;
  const children = type === "%" ? 2 * size : size;
  let at: number | undefined = afterLine;
  for (let child = 0; child < children && at !== undefined; child += 1) {
    at = at < bytes.length ? endOfResp(bytes, at) : undefined;
  }
  return at;
}

export function framer(protocol: Protocol, direction: Direction): Framer {
  if (protocol === "http") return (chunk) => [chunk];
  if (protocol === "redis") return framerOf((bytes) => endOfResp(bytes, 0));
  return direction === "request" ? postgresRequests() : postgresReplies();
}
