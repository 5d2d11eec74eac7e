import { expect, test } from "bun:test";
import { RateMeter } from "./rate-meter.ts";

const counts = (a: number) => new Map([["a", a]]);

test("there is no rate before a second look, nor for one that comes too soon", () => {
  const meter = new RateMeter();
  expect(meter.measure(0, counts(5))).toBeUndefined();
  expect(meter.measure(999, counts(5))).toBeUndefined();
  expect(meter.measure(1000, counts(6))?.("a")).toBe(1);
});

test("a rate is over the last minute at most, and over as much of it as was looked at", () => {
  const meter = new RateMeter();
  for (let second = 0; second <= 100; second += 10) meter.measure(second * 1000, counts(second * 3));
  expect(meter.measure(101_000, counts(300))?.("a")).toBe((300 - 150) / 51);
});

test("a look after a long silence starts anew", () => {
  const meter = new RateMeter();
  meter.measure(0, counts(5));
  expect(meter.measure(60_001, counts(50))).toBeUndefined();
  expect(meter.measure(62_001, counts(52))?.("a")).toBe(1);
});

test("many looks a second don't wear the window out", () => {
  const meter = new RateMeter();
  for (let ms = 0; ms <= 50_000; ms += 10) meter.measure(ms, counts(ms));
  expect(meter.measure(50_010, counts(50_010))?.("a")).toBe(1000);
});

test("a topic that is new has grown from nothing, an unknown one not at all", () => {
  const meter = new RateMeter();
  meter.measure(0, new Map());
  const rateOf = meter.measure(2000, counts(8));
  expect([rateOf?.("a"), rateOf?.("b")]).toEqual([4, 0]);
});
