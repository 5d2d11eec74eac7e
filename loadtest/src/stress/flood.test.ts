import { expect, test } from "bun:test";
import { recoveredAfter, storedRate } from "./flood.ts";
import type { Sample } from "./watch.ts";

const sample = (elapsed_s: number, done: number, queued: number): Sample => ({
  elapsed_s,
  received: done + queued,
  unique_processed: done,
  duplicate_dropped: 0,
  queued,
});
const samples = [sample(0, 0, 0), sample(2, 100, 900), sample(4, 500, 500), sample(6, 1_000, 5), sample(8, 1_160, 0)];
const flood = { stream: "batch", ends_at_s: 3, calm_events_per_s: 80, queue_events_max: 1_000 } as const;

test("the rate after a flood is of what was stored between two moments", () => {
  expect(storedRate(samples, 6, 8)).toBe(80);
  expect(storedRate(samples, 7, 8)).toBeNaN();
});

test("it is over when the queue is short again, not when the sending ends", () => {
  expect(recoveredAfter(samples, flood)).toBe(3);
  expect(recoveredAfter(samples.slice(0, 3), flood)).toBeUndefined();
});
