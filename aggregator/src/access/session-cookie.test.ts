import { describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import { SESSION_COOKIE, SESSION_S, SessionSigner, writeSessionCookie } from "./session-cookie.ts";

const SECRET = randomBytes(32);
const KEY = { id: 7, digest: "ab".repeat(32) };
let nowMs = 1_700_000_000_000;
const signer = new SessionSigner(SECRET, () => nowMs);

function claimOf(value: string, by = signer) {
  return by.read(`other=1; ${SESSION_COOKIE}=${value}; more=2`);
}

describe("a session", () => {
  test("is told by every process that knows the secret, for the key it was issued for", () => {
    const { value, expiresAtS } = signer.issue(KEY);
    const claim = claimOf(value);
    if (claim === undefined) throw new Error("it claims nothing");
    expect([claim.keyId, claim.expiresAtS]).toEqual([7, expiresAtS]);
    expect(new SessionSigner(SECRET, () => nowMs).isGenuine(claim, KEY)).toBe(true);
    expect(new SessionSigner(randomBytes(32), () => nowMs).isGenuine(claim, KEY)).toBe(false);
    // The same id, given out again after the database went back.
    expect(signer.isGenuine(claim, { ...KEY, digest: "cd".repeat(32) })).toBe(false);
  });

  test("is over when its time is", () => {
    const { value } = signer.issue(KEY);
    nowMs += SESSION_S * 1000 - 1000;
    expect(claimOf(value)).toBeDefined();
    nowMs += 1000;
    expect(claimOf(value)).toBeUndefined();
  });

  test("can't be made longer, or another key's, without the secret", () => {
    const { value, expiresAtS } = signer.issue(KEY);
    const [, , signature] = value.split(".");
    for (const forged of [`7.${expiresAtS + 1}.${signature}`, `8.${expiresAtS}.${signature}`]) {
      const claim = claimOf(forged);
      if (claim === undefined) throw new Error("it claims nothing");
      expect(signer.isGenuine(claim, { ...KEY, id: claim.keyId })).toBe(false);
    }
  });
});

test.each([
  null,
  "",
  "a=b",
  `${SESSION_COOKIE}=`,
  `${SESSION_COOKIE}=7.1`,
  `x${SESSION_COOKIE}=7.9999999999.${"a".repeat(43)}`,
])("the cookies %j claim nothing", (header) => {
  expect(signer.read(header)).toBeUndefined();
});

test("script can't read the cookie, other sites can't have it sent, and it stays on encrypted connections", () => {
  expect(writeSessionCookie("v", 60, false)).toBe(`${SESSION_COOKIE}=v; Path=/; Max-Age=60; HttpOnly; SameSite=Strict`);
  expect(writeSessionCookie("v", 60, true)).toEndWith("; Secure");
});
