import { expect, test } from "bun:test";
import type { BenchResult } from "./bench.ts";
import { benchPage, benchTable, ratios } from "./bench-report.ts";
import type { Grown } from "./growth.ts";
import { besideEmpty } from "./growth-report.ts";
import type { Measured } from "./measure.ts";
import { percentile, spread } from "./statistics.ts";

const measured = (rate: number): Measured => ({
  rate,
  acknowledged_rate: rate,
  p50_ms: 1,
  p99_ms: 2,
  failed: 0,
  cost_ms_per_event: { generator: 0.001, service: 0.02, redis: undefined, postgres: 0.01 },
  generator_share: 0.1,
  others_share: 0.02,
  resident_peak_mib: 100,
  drained: true,
});

const result: BenchResult = {
  began_at: "2026-01-01T00:00:00.000Z",
  options: { rounds: 3, seconds: 5, ids: "v4" },
  machine: { processor: "p", cores: 2, memory_gib: 4, system: "s", bun: "1" },
  measured: { echo: [100, 50, 100].map(measured), single: [40, 20, 60].map(measured) },
  visible: [],
  memory: undefined,
  growth: [],
};

test("a median is the middle, or between the two in the middle", () => {
  expect(spread([3, 1, 2])).toEqual({ median: 2, least: 1, greatest: 3 });
  expect(spread([4, 1, 2, 3]).median).toBe(2.5);
});

test("a ratio is taken round by round, so that a slow round slows both sides", () => {
  expect(ratios(result)).toEqual([
    { of: "single", to: "echo", aim: 0.4, found: { median: 0.4, least: 0.4, greatest: 0.6 } },
  ]);
});

test("says so when the machine was busy with something else", () => {
  expect(benchTable(result)).not.toContain("Disturbed");
  const disturbed = { ...result, measured: { echo: [{ ...measured(1), others_share: 0.3 }] } };
  expect(benchTable(disturbed)).toContain("Disturbed: other processes took up to 30 %");
});

test("table and page tell only what was measured, and load nothing", () => {
  expect(benchTable(result)).toContain("0.40 (0.40 … 0.60)");
  expect(benchTable(result)).not.toContain("naive");
  expect(benchPage(result)).not.toMatch(/(src|href)=/);
});

test("a percentile is a value that was measured", () => {
  expect(percentile([4, 1, 3, 2], 0.5)).toBe(2);
  expect(percentile([4, 1, 3, 2], 0.99)).toBe(4);
});

const latency = { p50_ms: 1, p99_ms: 2 };
const grown: Grown = {
  ids: "v7",
  events: 5_000_000,
  measured: [90, 40].map(measured),
  beside: [100, 50].map(measured),
  queries: { events_of_topic: latency, events_of_all: latency, stats: latency },
};

test("growth is told beside empty tables of the same minute, and memory in words", () => {
  expect(besideEmpty(grown)).toEqual({ median: 0.8500000000000001, least: 0.8, greatest: 0.9 });
  const memory = {
    rest_mib: 60,
    queued: 1_000_000,
    taking_mib: 100,
    redis_mib: 300,
    emptying_mib: 90,
    emptied_per_s: 50_000,
  };
  const told = benchTable({ ...result, memory, growth: [grown] });
  expect(told).toContain("· UUIDv7, 5,000,000 events present: 0.85");
  expect(told).toContain("Redis with 1,000,000 events queued");
  expect(benchPage({ ...result, memory, growth: [grown] })).toContain("5,000,000");
});
