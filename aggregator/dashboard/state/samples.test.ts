import { expect, test } from "bun:test";
import { type Counts, samplesOf } from "./samples.ts";

const counts = (received: number, over: Partial<Counts> = {}): Counts => ({
  received,
  unique_processed: received,
  duplicate_dropped: 0,
  dead_lettered: 0,
  queued: 0,
  ...over,
});
const UNKNOWN = { received: null, unique: null, duplicate: null, dead: null };

test("the first reply has no rate", () => {
  expect(samplesOf(undefined, 1000, counts(5, { queued: 2 }))).toEqual([{ atMs: 1000, queued: 2, ...UNKNOWN }]);
});

test("a rate is what was added over the time that it took", () => {
  const before = { atMs: 1000, counts: counts(100) };
  const now = counts(160, { unique_processed: 130, duplicate_dropped: 28, dead_lettered: 2, queued: 9 });
  expect(samplesOf(before, 3000, now)).toEqual([
    { atMs: 3000, queued: 9, received: 30, unique: 15, duplicate: 14, dead: 1 },
  ]);
});

test.each([
  ["a pause", 31_001, 200],
  ["counts that went back", 2000, 99],
])("%s is a hole, not a rate", (_name, atMs, received) => {
  expect(samplesOf({ atMs: 1000, counts: counts(100) }, atMs, counts(received))).toEqual([
    { atMs: 1001, queued: null, ...UNKNOWN },
    { atMs, queued: 0, ...UNKNOWN },
  ]);
});
