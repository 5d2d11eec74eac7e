/**
 * The rules for the three names that an event carries. Each `…Fault` function returns what is wrong in words for a
 * person ("must …"), or undefined where the value is fine. The words never repeat the value: it may be huge or hostile.
 */
import { SOURCE_CHARACTERS_MAX, TOPIC_CHARACTERS_MAX } from "./limits.ts";

/**
 * RFC 9562 section 4. Version and variant are not judged: the RFC asks that UUIDs be treated as opaque (section 6.12).
 */
const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/i;

/** Visible ASCII without # * . and >: nearly every topic. It spares them the slower Unicode classes below. */
const ASCII_TOPIC = /^[!"$-)+-\-/-=?-~]+(?:\.[!"$-)+-\-/-=?-~]+)*$/;

const TOPIC = /^[^\s\p{White_Space}\p{Cc}\p{Cs}*>#.]+(?:\.[^\s\p{White_Space}\p{Cc}\p{Cs}*>#.]+)*$/u;

export function eventIdFault(eventId: string): string | undefined {
  return UUID.test(eventId) ? undefined : "must be a UUID as in RFC 9562: 8-4-4-4-12 hexadecimal digits";
}

export function topicFault(topic: string): string | undefined {
  const lengthFault = charactersFault(topic, TOPIC_CHARACTERS_MAX);
  if (lengthFault !== undefined) return lengthFault;
  if (ASCII_TOPIC.test(topic) || TOPIC.test(topic)) return undefined;
  if (/[\s\p{White_Space}]/u.test(topic)) return "must not contain white space";
  if (/\p{Cc}/u.test(topic)) return "must not contain control characters";
  if (/[*>#]/.test(topic)) return "must not contain the wildcards *, > or #";
  if (!topic.isWellFormed()) return LONE_SURROGATE_FAULT;
  return "must consist of tokens separated by single dots, none of them empty";
}

export function sourceFault(source: string): string | undefined {
  const lengthFault = charactersFault(source, SOURCE_CHARACTERS_MAX);
  if (lengthFault !== undefined) return lengthFault;
  if (source.includes("\0")) return NUL_FAULT;
  return source.isWellFormed() ? undefined : LONE_SURROGATE_FAULT;
}

export const NUL_FAULT = "must not contain the character NUL (\\u0000), which Postgres cannot keep";
export const LONE_SURROGATE_FAULT = "must not contain half a surrogate pair, which is no character and cannot be kept";

function charactersFault(value: string, charactersMax: number): string | undefined {
  if (value.length === 0) return "must not be empty";
  // A code point takes one or two UTF-16 units, so counting is needed only between the two.
  if (value.length <= charactersMax) return undefined;
  if (value.length <= 2 * charactersMax && Array.from(value).length <= charactersMax) return undefined;
  return `must be at most ${charactersMax} characters long`;
}
