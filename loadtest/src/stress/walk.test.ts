import { describe, expect, test } from "bun:test";
import { outOfOrder, pageStayed, rowKey, skipped } from "./walk.ts";

const key = (timestamp: string, event_id = "a", topic = "t") => rowKey({ timestamp, event_id, topic });

describe("a row's key", () => {
  test("compares like the instant, however many digits the second has", () => {
    expect(key("2026-01-01T00:00:00.5Z")).toBe(key("2026-01-01T00:00:00.500000Z"));
    expect(key("2026-01-01T00:00:00Z") < key("2026-01-01T00:00:00.000001Z")).toBe(true);
  });

  test("tells rows of the same instant apart", () => {
    const same = "2026-01-01T00:00:00Z";
    expect(new Set([key(same, "a"), key(same, "b"), key(same, "b", "u")]).size).toBe(3);
  });
});

describe("a walk", () => {
  test("is in order when each row is older than the one before it", () => {
    expect(outOfOrder(["c", "b", "a"])).toEqual([]);
    expect(outOfOrder(["c", "a", "b"])).toEqual(["b"]);
  });

  test("does not read a row twice", () => {
    expect(outOfOrder(["c", "b", "b", "a"])).toEqual(["b"]);
  });

  test("holds what the walk before it held", () => {
    expect(skipped(["c", "a"], ["d", "c", "b", "a"])).toEqual([]);
    expect(skipped(["c", "a"], ["d", "c", "b"])).toEqual(["a"]);
  });
});

describe("a finished page, read again", () => {
  test("may have new rows, which push the last ones over its edge", () => {
    expect(pageStayed(["e", "c", "a"], ["e", "c", "a"], 3)).toBe(true);
    expect(pageStayed(["e", "c", "a"], ["e", "d", "c"], 3)).toBe(true);
    expect(pageStayed(["e", "c", "a"], ["h", "g", "f"], 3)).toBe(true);
    expect(pageStayed(["e", "c"], ["e", "d", "c"], 3)).toBe(true);
  });

  test("does not lose a row from its midst, nor from its end without need", () => {
    expect(pageStayed(["e", "c", "a"], ["e", "a"], 3)).toBe(false);
    expect(pageStayed(["e", "c", "a"], ["e", "c"], 3)).toBe(false);
    expect(pageStayed(["e", "c", "a"], ["e", "d", "a"], 3)).toBe(false);
    expect(pageStayed(["e", "c", "a"], ["c", "e", "a"], 3)).toBe(false);
  });
});
