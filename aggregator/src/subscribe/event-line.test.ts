import { expect, test } from "bun:test";
import { renderLine } from "./event-line.ts";

const record =
  '{"topic":"user.auth","event_id":"9b2f4e70-3c1d-4c58-9d52-6d1d5d0c7a11","timestamp":"2026-01-31T12:00:00.5Z",' +
  '"source":"a \\",\\"payload\\":1 b","payload":{"n": 12345678901234567890.10, "received_at": 1},' +
  '"received_at":"2026-01-31T12:00:01Z"}';

test("a plain line has time, topic, source, and the payload with its digits", () => {
  expect(renderLine(record, "plain")).toBe(
    '2026-01-31 12:00:00.5Z  user.auth  a ","payload":1 b  {"n": 12345678901234567890.10, "received_at": 1}\n',
  );
});

test("as JSON a line is the record, untouched", () => {
  expect(renderLine(record, "json")).toBe(`${record}\n`);
});

test("colour adds nothing but colour", () => {
  const coloured = renderLine(record, "colour");
  expect(coloured).not.toBe(renderLine(record, "plain"));
  expect(Bun.stripANSI(coloured)).toBe(renderLine(record, "plain"));
});

test("an event can't write over the terminal", () => {
  const hostile = record.replace("a \\", "\\u001b[2J\\u202e\\n\\").replace('"n"', '"\u009b31m"');
  const line = renderLine(hostile, "plain");
  expect(line.slice(0, -1)).not.toMatch(/[\p{Cc}\p{Cf}]/u);
  expect(line).toContain("\\u001b[2J\\u202e\\u000a");
});
