import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { decodeCursorText, encodeCursorText, farthest, hasReached } from "./cursor-text.ts";

const INSTALLATION = "9f86d081-884c-4d65-9a2f-eaa0c55ad015";
const cursors = fc
  .array(fc.tuple(fc.nat(1023), fc.nat(Number.MAX_SAFE_INTEGER)), { maxLength: 20 })
  .map((places) => new Map(places));

describe("a cursor as text", () => {
  test("is read back as it was, and fits into one line of a header", () => {
    fc.assert(
      fc.property(cursors, (cursor) => {
        const text = encodeCursorText(cursor, INSTALLATION);
        expect(text).toMatch(/^[0-9a-z~:.]+$/);
        expect(decodeCursorText(text, INSTALLATION)).toEqual(cursor);
      }),
    );
  });

  test("of 1,024 shards stays below 16 KiB", () => {
    const cursor = new Map(Array.from({ length: 1024 }, (_, shard) => [shard, 10 ** 9]));
    expect(encodeCursorText(cursor, INSTALLATION).length).toBeLessThan(12 * 1024);
  });

  test("of another installation is told apart from what is no cursor", () => {
    expect(decodeCursorText("00000000~0:1", INSTALLATION)).toBe("foreign");
    for (const text of [
      "",
      "~",
      "9f86d081",
      "9f86d081~0",
      "9f86d081~0:1;1:1",
      "9f86d081~0:zzzzzzzzzzz",
      "x".repeat(20_000),
    ])
      expect(decodeCursorText(text, INSTALLATION)).toBeUndefined();
  });
});

test("the farthest of two cursors has reached both, and is reached by whoever has reached both", () => {
  fc.assert(
    fc.property(cursors, cursors, (a, b) => {
      const both = farthest(a, b);
      expect(hasReached(both, a) && hasReached(both, b)).toBe(true);
      expect(hasReached(a, both)).toBe(hasReached(a, b));
    }),
  );
});
