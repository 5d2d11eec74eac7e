/**
 * How many messages a request holds, before any of them is made.
 *
 * An empty message is two bytes to send and some 350 to hold: 5 MiB of them came to 900 MB and five seconds. So they
 * are counted first, in one pass that makes nothing.
 */
import type { DescMessage } from "@bufbuild/protobuf";
import { BinaryReader, WireType } from "@bufbuild/protobuf/wire";

/** Deeper than any payload may nest; the decoder would refuse it, too. */
const DEPTH_MAX = 100;
const OPEN_BRACE = 0x7b;

/**
 * @returns the number of messages in a protobuf message, or more than `messagesMax` as soon as it is passed.
 * @throws for what is no protobuf.
 */
export function countMessages(schema: DescMessage, bytes: Uint8Array, messagesMax: number): number {
  return countIn(new BinaryReader(bytes), schema, bytes.length, messagesMax, DEPTH_MAX);
}

/** The objects of a JSON text, and the braces in its strings. */
export function countObjects(text: Uint8Array, objectsMax: number): number {
  let count = 0;
  for (let at = text.indexOf(OPEN_BRACE); at >= 0 && count <= objectsMax; at = text.indexOf(OPEN_BRACE, at + 1))
    count++;
  return count;
}

function countIn(reader: BinaryReader, schema: DescMessage, end: number, max: number, depth: number): number {
  if (depth === 0) throw new RangeError("messages nest too deep");
  const messages = messageFields(schema);
  let count = 1;
  while (reader.pos < end && count <= max) {
    const [number, type] = reader.tag();
    const message = messages.get(number);
    if (message === undefined || type !== WireType.LengthDelimited) {
      reader.skip(type, number);
      continue;
    }
    const length = reader.uint32();
    count += countIn(reader, message, reader.pos + length, max - count, depth - 1);
  }
  return count;
}

const fieldsOf = new WeakMap<DescMessage, ReadonlyMap<number, DescMessage>>();

/** Which fields of a message hold messages, worked out once. */
function messageFields(schema: DescMessage): ReadonlyMap<number, DescMessage> {
  const known = fieldsOf.get(schema);
  if (known !== undefined) return known;
  const fields = new Map<number, DescMessage>();
  for (const { number, message } of schema.fields) if (message !== undefined) fields.set(number, message);
  fieldsOf.set(schema, fields);
  return fields;
}
