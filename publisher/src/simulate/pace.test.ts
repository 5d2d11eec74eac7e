import { expect, test } from "bun:test";
import { Pace } from "./pace.ts";

test("a tick a millisecond is a thousand a second, however late the looks come", () => {
  const pace = new Pace({ tickMs: 1, waitingMax: 100, startMs: 5000 });
  let taken = 0;
  for (let now = 5000; now <= 6000; now += 7.3) {
    pace.advance(now);
    while (pace.take()) taken += 1;
  }
  pace.advance(6000);
  while (pace.take()) taken += 1;
  expect(taken).toBe(1000);
  expect(pace.skipped).toBe(0);
});

test("what waits is bounded, and what is skipped is counted", () => {
  const pace = new Pace({ tickMs: 1, waitingMax: 100, startMs: 0 });
  pace.advance(250);
  expect(pace.waiting).toBe(100);
  expect(pace.skipped).toBe(150);
  expect(pace.take()).toBe(true);
  pace.advance(252);
  expect(pace.waiting).toBe(100);
  expect(pace.skipped).toBe(151);
});

test("nothing is due before the first interval has passed", () => {
  const pace = new Pace({ tickMs: 500, waitingMax: 100, startMs: 0 });
  pace.advance(499);
  expect(pace.take()).toBe(false);
  expect(pace.untilNextMs(499)).toBe(1);
  pace.advance(500);
  expect(pace.take()).toBe(true);
  expect(pace.untilNextMs(500)).toBe(500);
});

test("a clock that stands still or goes back makes nothing due twice", () => {
  const pace = new Pace({ tickMs: 10, waitingMax: 100, startMs: 0 });
  pace.advance(100);
  pace.advance(100);
  pace.advance(50);
  expect(pace.waiting).toBe(10);
});
