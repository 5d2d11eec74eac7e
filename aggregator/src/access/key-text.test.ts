import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { digestBytes, digestOf, isDigest, makeKeyText } from "./key-text.ts";

test("a key is its prefix and 256 random bits, another one each time", () => {
  const texts = Array.from({ length: 100 }, makeKeyText);
  expect(new Set(texts).size).toBe(100);
  for (const text of texts) {
    expect(text).toMatch(/^sekali_[A-Za-z0-9_-]{43}$/);
    expect(Buffer.from(text.slice("sekali_".length), "base64url")).toHaveLength(32);
  }
});

test("what is kept of it is the SHA-256 of the whole text", () => {
  const text = makeKeyText();
  expect(digestOf(text)).toBe(createHash("sha256").update(text).digest("hex"));
});

test.each(["", "sekali_", `sekali_${"a".repeat(42)}`, `sekali_${"a".repeat(44)}`, `${"a".repeat(50)}`, "sekali_\n"])(
  "%j has not the form of a key",
  (text) => {
    expect(digestOf(text)).toBeUndefined();
  },
);

test("digests are the same as a whole, or not at all", () => {
  const digest = digestOf(makeKeyText()) ?? "";
  const lastChanged = `${digest.slice(0, -1)}${digest.endsWith("0") ? "1" : "0"}`;
  const known = digestBytes(digest);
  expect(isDigest(digest, known)).toBe(true);
  expect(isDigest(lastChanged, known)).toBe(false);
  expect(isDigest(digest.slice(0, -2), known)).toBe(false);
  expect(isDigest("", known)).toBe(false);
});
