import { describe, expect, test } from "bun:test";
import { eventIdFault, sourceFault, topicFault } from "./identifiers.ts";

describe("event_id", () => {
  test.each([
    ["version 4", "3d0457bd-e4f7-45a4-a938-e10b389eea3a"],
    ["version 7", "0198c0de-7a3b-7c1d-9e2f-0123456789ab"],
    ["upper case", "3D0457BD-E4F7-45A4-A938-E10B389EEA3A"],
    ["the nil UUID", "00000000-0000-0000-0000-000000000000"],
    ["the max UUID", "ffffffff-ffff-ffff-ffff-ffffffffffff"],
    ["a version and variant nobody has defined", "3d0457bd-e4f7-f5a4-0938-e10b389eea3a"],
  ])("accepts %s", (_name, eventId) => {
    expect(eventIdFault(eventId)).toBeUndefined();
  });

  test.each([
    ["nothing", ""],
    ["no hyphens", "3d0457bde4f745a4a938e10b389eea3a"],
    ["hyphens elsewhere", "3d0457b-de4f7-45a4-a938-e10b389eea3a"],
    ["braces", "{3d0457bd-e4f7-45a4-a938-e10b389eea3a}"],
    ["a URN", "urn:uuid:3d0457bd-e4f7-45a4-a938-e10b389eea3a"],
    ["a digit too few", "3d0457bd-e4f7-45a4-a938-e10b389eea3"],
    ["a digit too many", "3d0457bd-e4f7-45a4-a938-e10b389eea3aa"],
    ["a letter past f", "3d0457bd-e4f7-45a4-a938-e10b389eea3g"],
    ["white space before", " 3d0457bd-e4f7-45a4-a938-e10b389eea3a"],
    ["a line feed after", "3d0457bd-e4f7-45a4-a938-e10b389eea3a\n"],
    ["digits of another script", "３d0457bd-e4f7-45a4-a938-e10b389eea3a"],
  ])("refuses %s", (_name, eventId) => {
    expect(eventIdFault(eventId)).toBe("must be a UUID as in RFC 9562: 8-4-4-4-12 hexadecimal digits");
  });
});

describe("topic", () => {
  test.each([
    ["one token", "a"],
    ["tokens", "system.logs"],
    ["other signs", `!"$%&'()+,-/:;<=?@[\\]^_\`{|}~`],
    ["letters of any script", "журнал.ログ.é"],
    ["255 characters", "a".repeat(255)],
    ["255 characters of two UTF-16 units", "🙂".repeat(255)],
    ["255 characters in tokens", "ab.".repeat(85).slice(0, -1)],
  ])("accepts %s", (_name, topic) => {
    expect(topicFault(topic)).toBeUndefined();
  });

  test("accepts every visible ASCII character that is no wildcard and no dot", () => {
    for (let code = 0x21; code <= 0x7e; code++) {
      const character = String.fromCharCode(code);
      expect([character, topicFault(`a${character}b`) === undefined]).toEqual([character, !"*>#".includes(character)]);
    }
  });

  test.each([
    ["nothing", "", "must not be empty"],
    ["256 characters", "a".repeat(256), "must be at most 255 characters long"],
    ["256 characters of two UTF-16 units", "🙂".repeat(256), "must be at most 255 characters long"],
    ["far too many characters", "a".repeat(100_000), "must be at most 255 characters long"],
    ["a space", "a b", "must not contain white space"],
    ["a tab", "a\tb", "must not contain white space"],
    ["a line feed", "a\n", "must not contain white space"],
    ["a no-break space", "a\u00a0b", "must not contain white space"],
    ["a next-line character", "a\u0085b", "must not contain white space"],
    ["an ideographic space", "a\u3000b", "must not contain white space"],
    ["a line separator", "a\u2028b", "must not contain white space"],
    ["a byte order mark", "\ufeffa", "must not contain white space"],
    ["NUL", "a\0b", "must not contain control characters"],
    ["escape", "a\u001bb", "must not contain control characters"],
    ["delete", "a\u007fb", "must not contain control characters"],
    ["a C1 control character", "é\u009b", "must not contain control characters"],
    ["a star", "a.*", "must not contain the wildcards *, > or #"],
    ["a greater-than sign", "a.>", "must not contain the wildcards *, > or #"],
    ["a hash", "é.#", "must not contain the wildcards *, > or #"],
    ["a dot alone", ".", "must consist of tokens separated by single dots, none of them empty"],
    ["a leading dot", ".a", "must consist of tokens separated by single dots, none of them empty"],
    ["a trailing dot", "a.", "must consist of tokens separated by single dots, none of them empty"],
    ["an empty token", "é..b", "must consist of tokens separated by single dots, none of them empty"],
  ])("refuses %s", (_name, topic, fault) => {
    expect(topicFault(topic)).toBe(fault);
  });

  test("refuses half a surrogate pair", () => {
    expect(topicFault("a\ud83d")).toContain("half a surrogate pair");
  });
});

describe("source", () => {
  test.each([
    ["a name", "web-frontend"],
    ["a space", " "],
    ["control characters", "a\u0001\n"],
    ["wildcards and dots", "*.>#.."],
    ["255 characters", "a".repeat(255)],
    ["255 characters of two UTF-16 units", "🙂".repeat(255)],
  ])("accepts %s", (_name, source) => {
    expect(sourceFault(source)).toBeUndefined();
  });

  test.each([
    ["nothing", "", "must not be empty"],
    ["256 characters", "é".repeat(256), "must be at most 255 characters long"],
    ["256 characters of two UTF-16 units", "🙂".repeat(256), "must be at most 255 characters long"],
    ["NUL", "a\0", "must not contain the character NUL (\\u0000), which Postgres cannot keep"],
    ["half a pair", "\udc00", "must not contain half a surrogate pair, which is no character and cannot be kept"],
  ])("refuses %s", (_name, source, fault) => {
    expect(sourceFault(source)).toBe(fault);
  });
});
