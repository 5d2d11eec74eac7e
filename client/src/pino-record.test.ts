import { describe, expect, test } from "bun:test";
import { parsePublishBody } from "@sekali/contract";
import { eventOfLine } from "./pino-record.ts";
import { prepare } from "./prepare.ts";

const SETTINGS = { topic: "app.{level}", source: undefined };
const line = (over: object) =>
  JSON.stringify({ level: 30, time: 1764000000123, pid: 1, hostname: "h", msg: "m", ...over });
const of = (over: object, settings: Partial<typeof SETTINGS> = {}) =>
  eventOfLine(line(over), { ...SETTINGS, ...settings });

/** What the service would keep of it. @throws where it would keep nothing */
function kept(text: string): Record<string, unknown> {
  const body = new TextEncoder().encode(prepare(eventOfLine(text, SETTINGS), undefined).text);
  const parsed = parsePublishBody(body, { batchEventsMax: 1 });
  if (!parsed.ok) throw new Error(JSON.stringify(parsed.errors));
  return (JSON.parse(parsed.text) as { payload: Record<string, unknown> }).payload;
}

describe("the topic", () => {
  test.each([
    [10, "trace"],
    [20, "debug"],
    [30, "info"],
    [35, "info"],
    [40, "warn"],
    [50, "error"],
    [60, "fatal"],
    [5, "trace"],
    ["notice", "notice"],
  ])("of level %p ends in %s", (level, name) => {
    expect(of({ level }).topic).toBe(`app.${name}`);
  });

  test("takes fields by their name, nested ones too, and what can't stand in a topic is replaced", () => {
    const topic = "{name}.{req.method}.{a.b}.{none}";
    const record = { name: "my app*", req: { method: "GET" }, "a.b": "x" };
    expect(of(record, { topic }).topic).toBe("my-app-.GET.x.unknown");
  });
});

test.each([
  [1764000000123, "2025-11-24T16:00:00.123Z"],
  [1764000000, "2025-11-24T16:00:00.000Z"],
  ["2026-01-31T12:00:00.123456Z", "2026-01-31T12:00:00.123456Z"],
  ["yesterday", undefined],
  [1e300, undefined],
  [undefined, undefined],
])("the time %p is %p", (time, timestamp) => {
  expect(of({ time }).timestamp).toBe(timestamp);
});

test("the source is the option, else the name, else the host", () => {
  expect(of({}, { source: "given" as unknown as undefined }).source).toBe("given");
  expect(of({ name: "n" }).source).toBe("n");
  expect(of({}).source).toBe("h");
  expect(of({ name: "x".repeat(300) }).source?.length).toBe(255);
  expect(eventOfLine("{}", SETTINGS).source).toBe("pino");
});

describe("the payload", () => {
  test("is the record, to the digit", () => {
    const text = '{"level":30,"id":9007199254740993}';
    expect(prepare(eventOfLine(text, SETTINGS), undefined).text).toContain(`"payload":${text}`);
  });

  test("has what can't be kept replaced, and loses nothing else", () => {
    const payload = kept(line({ msg: "a\0b", "n\0": "\ud83d", small: 5e-324, list: ["\0", 1, null, true] }));
    expect(payload).toMatchObject({ msg: "a\uFFFDb", "n\uFFFD": "\uFFFD", small: 0, list: ["\uFFFD", 1, null, true] });
    expect(payload).toMatchObject({ level: 30, hostname: "h" });
  });

  test("is kept however deep it nests", () => {
    const deep = `${'{"a":'.repeat(200)}1${"}".repeat(200)}`;
    expect(JSON.stringify(kept(`{"level":30,"deep":${deep}}`))).toContain('\\"a\\"');
  });

  test.each([["plain text"], ["[1,2]"], ['"text"'], ["null"], ['{"cut":']])("of the line %s is the line", (text) => {
    expect(kept(text)).toEqual({ msg: text });
  });
});
