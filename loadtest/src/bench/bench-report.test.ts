import { expect, test } from "bun:test";
import type { BenchResult } from "./bench.ts";
import { benchPage, benchTable, ratios, spread } from "./bench-report.ts";
import type { Measured } from "./measure.ts";

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
