import { describe, expect, test } from "bun:test";
import type { Content } from "../store/audit-port.ts";
import { diffContents } from "./content-diff.ts";

const content = (over: Partial<Content> = {}): Content => ({
  timestamp: "2026-01-31T12:00:00+00:00",
  source: "svc",
  payload: '{"user": 7, "tags": ["a", "b"]}',
  ...over,
});

describe("a difference", () => {
  test.each<[string, Partial<Content>, object]>([
    ["of the timestamp", { timestamp: "2026-01-31T12:00:01+00:00" }, { path: "/timestamp" }],
    ["of the source", { source: "other" }, { path: "/source", stored: '"svc"', dropped: '"other"' }],
    [
      "of a value",
      { payload: '{"user": 8, "tags": ["a", "b"]}' },
      { path: "/payload/user", stored: "7", dropped: "8" },
    ],
    [
      "that something is new",
      { payload: '{"user": 7, "tags": ["a", "b", "c"]}' },
      { path: "/payload/tags/2", dropped: '"c"' },
    ],
    ["that something is gone", { payload: '{"user": 7, "tags": ["a"]}' }, { path: "/payload/tags/1", stored: '"b"' }],
    [
      "of a type",
      { payload: '{"user": "7", "tags": ["a", "b"]}' },
      { path: "/payload/user", stored: "7", dropped: '"7"' },
    ],
  ])("%s is named by its place", (_name, over, difference) => {
    expect(diffContents(content(), content(over))).toMatchObject({ differences: [difference], left_out: 0 });
  });

  test("that JavaScript does not see shows both payloads", () => {
    const [stored, dropped] = ['{"n": 1.00000000000000000001}', '{"n": 1.00000000000000000002}'];
    expect(diffContents(content({ payload: stored }), content({ payload: dropped }))).toEqual({
      differences: [{ path: "/payload", stored, dropped }],
      left_out: 0,
    });
  });

  test("of names with slashes and tildes is a pointer as in RFC 6901", () => {
    const diff = diffContents(content({ payload: '{"a/b~c": 1}' }), content({ payload: '{"a/b~c": 2}' }));
    expect(diff?.differences[0]?.path).toBe("/payload/a~1b~0c");
  });

  test("in what was too large to be kept is not made up", () => {
    expect(diffContents(content(), content({ payload: null }))).toBeUndefined();
    expect(diffContents(content({ payload: null }), content({ payload: null, source: "x" }))).toMatchObject({
      differences: [{ path: "/source" }],
    });
  });
});

test("what is shown is bounded, whatever differs", () => {
  const many = (value: string) =>
    JSON.stringify(Object.fromEntries(Array.from({ length: 500 }, (_, n) => [`${"k".repeat(200)}${n}`, value])));
  const diff = diffContents(content({ payload: many("x".repeat(1000)) }), content({ payload: many("y".repeat(1000)) }));
  expect([diff?.differences.length, diff?.left_out]).toEqual([10, 490]);
  expect(JSON.stringify(diff).length).toBeLessThan(10 * 450);
});
