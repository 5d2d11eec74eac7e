/**
 * The contract's formats in the words of JSON Schema, for who reads a schema without this program: lengths in
 * characters and patterns of ECMA-262, as close to each rule as they come.
 *
 * The compiled check does not use them: it asks the rules themselves, which are faster and know more. Where a rule
 * knows more, the format's name stays in the schema beside them:
 *
 * - `sekali-timestamp`, `sekali-instant`: which years are leap years, and that the instant lies in the years 0001 to
 *   9999 in UTC too
 * - all: that there is no half of a surrogate pair, which is no character
 * - `sekali-start`: whether a cursor is one of this installation
 */
import { SOURCE_CHARACTERS_MAX, TIMESTAMP_FRACTION_DIGITS_MAX, TOPIC_CHARACTERS_MAX } from "./limits.ts";

export interface FormatKeywords {
  readonly format?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly pattern?: string;
}

/** One token of a topic: no white space, control characters, wildcards or dots. */
const TOKEN = String.raw`[^\s\u0000-\u001f\u007f-\u009f\ufeff*#>.]+`;
const PATTERN_TOKEN = String.raw`(?:\*|${TOKEN})`;

const YEAR = "(?:000[1-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-9][0-9]{3})";
const DAY_OF_LONG_MONTH = "(?:0[13578]|1[02])-(?:0[1-9]|[12][0-9]|3[01])";
const DAY_OF_SHORT_MONTH = "(?:0[469]|11)-(?:0[1-9]|[12][0-9]|30)";
const DAY_OF_FEBRUARY = "02-(?:0[1-9]|[12][0-9])";
const DATE = `${YEAR}-(?:${DAY_OF_LONG_MONTH}|${DAY_OF_SHORT_MONTH}|${DAY_OF_FEBRUARY})`;
const SECONDS = String.raw`(?::[0-5][0-9](?:\.[0-9]{1,${TIMESTAMP_FRACTION_DIGITS_MAX}})?)?`;
const TIME = `(?:[01][0-9]|2[0-3]):[0-5][0-9]${SECONDS}`;
const HOURS_OF_OFFSET = "[+-](?:0[0-9]|1[0-5])";
const TIMESTAMP = `${DATE}[Tt ]${TIME}(?:[Zz]|${HOURS_OF_OFFSET}(?::[0-5][0-9])?)?`;
const CURSOR = "[0-9a-f]{8}~[0-9a-z:.]*";

export const FORMATS: Readonly<Record<string, FormatKeywords>> = {
  "sekali-topic": { minLength: 1, maxLength: TOPIC_CHARACTERS_MAX, pattern: String.raw`^${TOKEN}(?:\.${TOKEN})*$` },
  "sekali-topic-pattern": {
    minLength: 1,
    maxLength: TOPIC_CHARACTERS_MAX,
    pattern: String.raw`^(?:${PATTERN_TOKEN}(?:\.${PATTERN_TOKEN})*(?:\.>)?|>)$`,
  },
  "sekali-event-id": {
    format: "uuid",
    pattern: "^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$",
  },
  "sekali-timestamp": {
    format: "sekali-timestamp",
    pattern: `^${TIMESTAMP}$`,
  },
  "sekali-instant": {
    format: "sekali-instant",
    pattern: `^${DATE}[Tt ]${TIME}(?:[Zz]|${HOURS_OF_OFFSET}:[0-5][0-9])$`,
  },
  "sekali-start": { format: "sekali-start", pattern: `^(?:now|beginning|${TIMESTAMP}|${CURSOR})$` },
  "sekali-source": { minLength: 1, maxLength: SOURCE_CHARACTERS_MAX, pattern: String.raw`^[^\u0000]*$` },
};
