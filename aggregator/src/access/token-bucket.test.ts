import { expect, test } from "bun:test";
import { OverQuota, TokenBucket } from "./token-bucket.ts";

function bucket(rate: number, burst: number) {
  let nowMs = 0;
  const tokens = new TokenBucket({ rate, burst }, () => nowMs);
  return {
    pass: (ms: number) => {
      nowMs += ms;
    },
    giveBack: (events: number) => tokens.giveBack(events),
    /** How long to wait, or 0 where the events were let in. */
    take(events: number): number {
      try {
        tokens.take(events);
        return 0;
      } catch (error) {
        if (error instanceof OverQuota) return error.waitMs;
        throw error;
      }
    },
  };
}

test("the burst is let in at once, then one for each token that is gained", () => {
  const { pass, take } = bucket(10, 3);
  expect([take(1), take(1), take(1), take(1)]).toEqual([0, 0, 0, 100]);
  pass(99);
  expect(take(1)).toBe(1);
  pass(1);
  expect([take(1), take(1)]).toEqual([0, 100]);
});

test("no more tokens are kept than the burst, however long nothing comes", () => {
  const { pass, take } = bucket(10, 3);
  pass(1_000_000);
  expect([take(3), take(1)]).toEqual([0, 100]);
});

test("a batch larger than the burst is let in whole, and its debt is paid before anything else", () => {
  const { pass, take } = bucket(10, 3);
  expect(take(103)).toBe(0);
  expect(take(1)).toBe(10_100);
  pass(10_099);
  expect(take(1)).toBe(1);
  pass(1);
  expect(take(1000)).toBe(0);
});

test("over time no more is let in than the rate, the burst and one request, whatever the sizes", () => {
  const { pass, take } = bucket(100, 50);
  let taken = 0;
  for (let ms = 0; ms < 60_000; ms += 10) {
    const size = 1 + ((ms * 7919) % 500);
    if (take(size) === 0) taken += size;
    pass(10);
  }
  expect(taken).toBeLessThanOrEqual(60 * 100 + 50 + 500);
  expect(taken).toBeGreaterThan(55 * 100);
});

test("what is given back is there again, and no more than the burst", () => {
  const { take, giveBack } = bucket(1, 5);
  expect(take(5)).toBe(0);
  giveBack(5);
  giveBack(100);
  expect([take(5), take(1)]).toEqual([0, 1000]);
});
