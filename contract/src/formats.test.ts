import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { validTimestamp } from "../test/arbitraries.ts";
import { FORMATS } from "./formats.ts";
import { eventIdFault, sourceFault, topicFault } from "./identifiers.ts";
import { instantFault, timestampFault } from "./timestamp.ts";
import { topicPatternFault } from "./topic-pattern.ts";

/** As a validator of JSON Schema judges a text: lengths in characters, patterns in Unicode mode. */
function fits(format: string, text: string): boolean {
  const { minLength = 0, maxLength = Number.POSITIVE_INFINITY, pattern = "" } = FORMATS[format] ?? {};
  const characters = Array.from(text).length;
  return characters >= minLength && characters <= maxLength && new RegExp(pattern, "u").test(text);
}

const UNITS = [
  "a",
  "Z",
  "0",
  ".",
  "*",
  ">",
  "#",
  " ",
  "\n",
  "\u0000",
  "\u0085",
  "\u00a0",
  "\u2028",
  "\ufeff",
  "é",
  "🙂",
];
const nameLike = fc.oneof(
  fc.string({ unit: fc.constantFrom(...UNITS), maxLength: 8 }),
  fc.string({ unit: fc.constantFrom("a", ".", "*", ">"), maxLength: 6 }),
  fc.string({ unit: fc.constantFrom("a", "🙂"), minLength: 253, maxLength: 257 }),
);

/** A text with one character of it replaced, doubled or left out, as misspelt ones are. */
function misspelt(texts: fc.Arbitrary<string>): fc.Arbitrary<string> {
  const change = fc.constantFrom("", "0", "1", "3", "6", "9", "-", ":", "+", "Z", "T", ".", "g", "٣", "\n");
  return fc.tuple(texts, fc.nat(40), change).map(([text, at, by]) => text.slice(0, at) + by + text.slice(at + 1));
}

describe("JSON Schema's keywords say the same as the rules", () => {
  test.each<[string, fc.Arbitrary<string>, (text: string) => string | undefined]>([
    ["sekali-topic", nameLike, topicFault],
    ["sekali-topic-pattern", nameLike, topicPatternFault],
    ["sekali-source", nameLike, sourceFault],
    ["sekali-event-id", fc.oneof(fc.uuid(), misspelt(fc.uuid()), nameLike), eventIdFault],
  ])("%s", (format, texts, fault) => {
    fc.assert(
      fc.property(texts, (text) => expect([text, fits(format, text)]).toEqual([text, fault(text) === undefined])),
      { numRuns: 5000 },
    );
  });

  test.each<[string, (text: string) => string | undefined]>([
    ["sekali-timestamp", timestampFault],
    ["sekali-instant", instantFault],
  ])("%s, but for what only a calendar knows", (format, fault) => {
    fc.assert(
      fc.property(fc.oneof(validTimestamp, misspelt(validTimestamp)), (text) => {
        const found = fault(text);
        const isForCalendar = found !== undefined && /leap year|in UTC too/.test(found);
        expect([text, fits(format, text)]).toEqual([text, found === undefined || isForCalendar]);
      }),
      { numRuns: 5000 },
    );
  });
});
