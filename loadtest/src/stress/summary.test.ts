import { expect, test } from "bun:test";
import { Summary } from "./summary.ts";

const summary = new Summary({
  state: { testRunDurationMs: 20_100 },
  metrics: {
    deliveries: { values: { count: 7, rate: 1 }, thresholds: { "count>=8": { ok: false } } },
    "deliveries{stream:batch}": { values: { count: 5 }, thresholds: { "count>=0": { ok: true } } },
    ack: {
      values: { med: 1, "p(95)": 2, "p(99)": 3.2468, max: 4, count: 7 },
      thresholds: { "p(99)<3": { ok: false } },
    },
    unused: { values: { med: 0, count: 0 } },
  },
});

test("what k6 left out was never counted", () => {
  expect(summary.count("deliveries")).toBe(7);
  expect(summary.count("deliveries", "batch")).toBe(5);
  expect(summary.count("deliveries", "single")).toBe(0);
  expect(summary.trend("unused")).toBeUndefined();
  expect(summary.trend("ack")).toEqual({ med: 1, p95: 2, p99: 3.2468, max: 4, count: 7 });
});

test("a crossed threshold is told with the figure that it speaks of", () => {
  expect(summary.crossed()).toEqual([
    { metric: "deliveries", threshold: "count>=8", found: "7" },
    { metric: "ack", threshold: "p(99)<3", found: "3.247" },
  ]);
});
