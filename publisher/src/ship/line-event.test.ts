import { describe, expect, test } from "bun:test";
import { type Event, parsePublishBody } from "@sekali/contract";
import { lineNamespace } from "./identity.ts";
import { toLineEvent } from "./line-event.ts";
import { LineSplitter } from "./lines.ts";

const context = {
  topic: "web.access",
  source: "nginx",
  namespace: lineNamespace("nginx", ""),
  zone: "utc",
  referenceMs: 0,
  nowMs: Date.parse("2026-11-23T15:55:50.123Z"),
} as const;

function event(content: string | Uint8Array, lineBytesMax = 1024, nowMs: number = context.nowMs): Event {
  const splitter = new LineSplitter(lineBytesMax);
  const [unended] = splitter.push(typeof content === "string" ? new TextEncoder().encode(content) : content);
  const line = unended ?? splitter.finish();
  if (line === undefined) throw new Error("there is no line");
  const { text, textBytes } = toLineEvent(line, { ...context, nowMs });
  const bytes = new TextEncoder().encode(text);
  expect(textBytes).toBe(bytes.byteLength);
  expect(parsePublishBody(bytes, { batchEventsMax: 1 }).ok).toBe(true);
  return JSON.parse(text) as Event;
}

describe("the event of a line", () => {
  test("holds the line, its number and its offset, and the line's own time", () => {
    const { topic, source, timestamp, payload } = event("2026-01-02T03:04:05.678901Z hello\n");
    expect({ topic, source, timestamp }).toEqual({
      topic: "web.access",
      source: "nginx",
      timestamp: "2026-01-02T03:04:05.678901Z",
    });
    expect(payload).toEqual({ line: "2026-01-02T03:04:05.678901Z hello", number: 1, offset: 0 });
  });

  test("is the same whenever it is made", () => {
    expect(event("2026-01-02T03:04:05Z x\n", 1024, 0)).toEqual(event("2026-01-02T03:04:05Z x\n", 1024, 1e12));
  });

  test("says so where the time is that of reading", () => {
    const { timestamp, payload } = event("no time\n");
    expect(timestamp).toBe("2026-11-23T15:55:50.123Z");
    expect(payload).toEqual({ line: "no time", number: 1, offset: 0, timestamp_from: "reading" });
  });

  test("does without the carriage return of a Windows line", () => {
    expect(event("hello\r\n").payload).toMatchObject({ line: "hello" });
  });

  test("an empty line is an event too", () => {
    expect(event("\n").payload).toMatchObject({ line: "" });
  });
});

describe("what can't be carried as it is, is said", () => {
  test("bytes that are not UTF-8", () => {
    const payload = event(new Uint8Array([0x61, 0xff, 0x62, 0x0a])).payload;
    expect(payload).toMatchObject({ line: "a\uFFFDb", encoding: "lossy" });
  });

  test("NUL, which the contract refuses", () => {
    expect(event("a\0b\0\n").payload).toMatchObject({ line: "a\uFFFDb\uFFFD", nul_replaced: 2 });
  });

  test("the text \\u0000 is no NUL", () => {
    expect(event("a\\u0000b\n").payload).toEqual({
      line: "a\\u0000b",
      number: 1,
      offset: 0,
      timestamp_from: "reading",
    });
  });

  test("an overlong line is cut between characters, and its length is told", () => {
    for (let limit = 1; limit < 12; limit += 1) {
      const { line, truncated_from, encoding } = event("aé€😀xyz\n", limit).payload;
      expect("aé€😀xyz".startsWith(String(line))).toBe(true);
      expect(Buffer.byteLength(String(line))).toBeGreaterThan(limit - 4);
      expect(truncated_from).toBe(13);
      expect(encoding).toBeUndefined();
    }
    expect(event("aé€😀xyz\n", 13).payload["truncated_from"]).toBeUndefined();
  });

  test("any bytes at all make an event that the contract accepts", () => {
    const every = Uint8Array.from({ length: 255 }, (_, n) => (n < 10 ? n : n + 1));
    expect(event(every).payload).toMatchObject({ encoding: "lossy", nul_replaced: 1 });
  });
});
