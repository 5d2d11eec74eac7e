/**
 * What the property tests draw from: values on both sides of each rule. A failing run prints its seed; SEED repeats it.
 */
import fc from "fast-check";
import type { Event } from "../src/index.ts";

const seed = process.env["SEED"];
if (seed !== undefined) fc.configureGlobal({ seed: Number(seed) });

export const sample: Event = {
  topic: "system.logs",
  event_id: "0198c0de-7a3b-7c1d-9e2f-0123456789ab",
  timestamp: "2026-01-31T23:59:59.123456Z",
  source: "web-frontend",
  payload: { cpu_usage: 12.5, memory: 2048, status: "ok" },
};

const digits = (value: number, width: number) => String(value).padStart(width, "0");

/** Well-formed text without NUL, which no rule allows anywhere. */
const keepableText = fc.string({ unit: "grapheme" }).filter((text) => text.isWellFormed() && !text.includes("\0"));

const token = fc.string({
  unit: fc.constantFrom("a", "b", "c", "X", "Y", "Z", "0", "1", "9", "-", "_", "/", ":", "é", "東", "🙂"),
  minLength: 1,
  maxLength: 12,
});

const day = fc.date({
  min: new Date("0001-01-02T00:00:00Z"),
  max: new Date("9999-12-30T00:00:00Z"),
  noInvalidDate: true,
});

const zone = fc.oneof(
  fc.constantFrom("", "Z", "z", "-00:00", "+15:59", "-15:59"),
  fc
    .tuple(fc.constantFrom("+", "-"), fc.nat(15), fc.nat(59))
    .map(([sign, hours, minutes]) => `${sign}${digits(hours, 2)}:${digits(minutes, 2)}`),
);

const seconds = fc.oneof(
  fc.constant(""),
  fc.nat(59).map((second) => `:${digits(second, 2)}`),
  fc
    .tuple(fc.nat(59), fc.integer({ min: 1, max: 6 }), fc.nat(999_999))
    .map(([second, width, fraction]) => `:${digits(second, 2)}.${digits(fraction, 6).slice(0, width)}`),
);

export const validTimestamp = fc
  .tuple(day, fc.constantFrom("T", "t", " "), fc.nat(23), fc.nat(59), seconds, zone)
  .map(
    ([date, separator, hour, minute, second, offset]) =>
      `${date.toISOString().slice(0, 10)}${separator}${digits(hour, 2)}:${digits(minute, 2)}${second}${offset}`,
  );

const keepableJson: fc.Arbitrary<unknown> = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom(null, true, false, 0, -0, 1e308, -1e-308, 0.1, Number.MAX_SAFE_INTEGER),
    keepableText,
    fc.array(tie("value"), { maxLength: 4 }),
    fc.dictionary(keepableText, tie("value"), { maxKeys: 4 }),
  ),
})).value;

const NAMES = ["a", "__proto__", "constructor", "prototype", "toString", "hasOwnProperty", "length", "", "$1", "'"];
const ESCAPES = [
  "\\n",
  "\\t",
  "\\\\",
  '\\"',
  "\\/",
  "\\u001b",
  "\\u007f",
  "\\u2028",
  "\\ud83d\\ude42",
  "\\u00E9",
  "\\u0041",
];

/** A string's JSON text; some of its characters are written as escapes. */
const stringText = fc
  .array(
    fc.oneof(
      fc.constantFrom(...ESCAPES),
      keepableText.map((text) => JSON.stringify(text).slice(1, -1)),
    ),
    {
      maxLength: 5,
    },
  )
  .map((parts) => `"${parts.join("")}"`);

const numberText = fc
  .tuple(
    fc.constantFrom("", "-"),
    fc.oneof(fc.constant("0"), fc.bigInt({ min: 1n, max: 10n ** 60n }).map(String)),
    fc.option(fc.stringMatching(/^[0-9]{1,40}$/), { nil: undefined }),
    fc.option(fc.tuple(fc.constantFrom("e", "E"), fc.constantFrom("", "+", "-"), fc.nat(250)), { nil: undefined }),
  )
  .map(([sign, whole, fraction, power]) => {
    const decimals = fraction === undefined ? "" : `.${fraction}`;
    return `${sign}${whole}${decimals}${power === undefined ? "" : power.join("")}`;
  });

const space = fc.constantFrom("", "", "", " ", "\n", "\t\r\n ");
const nameText = fc.oneof(
  fc.constantFrom(...NAMES).map((name) => JSON.stringify(name)),
  stringText,
);
const listed = (open: string, parts: readonly string[], close: string) => `${open}${parts.join(",")}${close}`;

/** JSON texts as no serialiser writes them: digits of any length, keys that repeat, escapes, white space anywhere. */
const texts = fc.letrec<{ value: string; object: string }>((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constantFrom("null", "true", "false", "{}", "[ ]"),
    numberText,
    stringText,
    fc
      .array(
        fc.tuple(space, tie("value"), space).map((parts) => parts.join("")),
        { maxLength: 4 },
      )
      .map((items) => listed("[", items, "]")),
    tie("object"),
  ),
  object: fc
    .array(
      fc
        .tuple(space, nameText, space, tie("value"), space)
        .map(([before, name, between, value, after]) => `${before}${name}${between}:${value}${after}`),
      { maxLength: 5 },
    )
    .map((members) => listed("{", members, "}")),
}));

export const payloadText: fc.Arbitrary<string> = texts.object;

export const validEvent: fc.Arbitrary<Event> = fc.record({
  topic: fc.array(token, { minLength: 1, maxLength: 4 }).map((tokens) => tokens.join(".")),
  event_id: fc.tuple(fc.uuid(), fc.boolean()).map(([eventId, isUpper]) => (isUpper ? eventId.toUpperCase() : eventId)),
  timestamp: validTimestamp,
  source: keepableText.filter((text) => text.length > 0 && text.length <= 255),
  payload: fc.dictionary(keepableText, keepableJson, { maxKeys: 5 }),
});

/** Near misses: an event in which one field, or all of it, may be something else. */
export const nearlyEvent: fc.Arbitrary<unknown> = fc.oneof(
  validEvent,
  fc.jsonValue(),
  fc
    .tuple(
      validEvent,
      fc.constantFrom("topic", "event_id", "timestamp", "source", "payload", "extra", "__proto__", "constructor"),
      fc.oneof(fc.jsonValue(), fc.constantFrom("", "a..b", "a b", "*", "2026-02-30T00:00:00Z", "now", "\0")),
    )
    .map(([event, name, value]) => {
      const changed: Record<string, unknown> = { ...event };
      Object.defineProperty(changed, name, { value, enumerable: true, configurable: true, writable: true });
      return changed;
    }),
  fc
    .tuple(validEvent, fc.constantFrom("topic", "event_id", "timestamp", "source", "payload"))
    .map(([event, name]) => Object.fromEntries(Object.entries(event).filter(([key]) => key !== name))),
);
