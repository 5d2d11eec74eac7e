import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { ShardPicker } from "./shard-picker.ts";

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

test("entries stay on a shard for a moment, then go on to the next, and around", () => {
  const picker = new ShardPicker(2);
  const picked: number[] = [];
  for (let entry = 0; entry < 12; entry += 1) {
    picked.push(picker.pick(1));
    jest.advanceTimersByTime(8);
  }
  expect(picked).toEqual([0, 0, 0, 1, 1, 1, 0, 0, 0, 1, 1, 1]);
});

test("a shard that has as much as one transaction stores is left at once", () => {
  const picker = new ShardPicker(3);
  expect([1000, 1000, 10_000, 1].map((deliveries) => picker.pick(deliveries))).toEqual([0, 0, 1, 2]);
});

test("a shard that can't be added to is left early", () => {
  const picker = new ShardPicker(3);
  expect([picker.pick(1), picker.next(), picker.pick(1), picker.next(), picker.next()]).toEqual([0, 1, 1, 2, 0]);
});
