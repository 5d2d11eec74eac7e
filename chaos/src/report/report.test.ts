import { expect, test } from "bun:test";
import type { EpisodeResult } from "../episode.ts";
import type { Fault } from "../faults/fault.ts";
import { renderMarkdown, renderTable, withRun } from "./render.ts";
import { makeReport } from "./report.ts";

const fault = (name: string, over: Partial<Fault> = {}): Fault => ({
  name,
  title: `the ${name}`,
  touches: [],
  injections: 2,
  perEpisode: 1,
  reduced: 1,
  inject: () => Promise.resolve(),
  ...over,
});

const result = (name: string, over: Partial<EpisodeResult> = {}): EpisodeResult => ({
  fault: name,
  seed: 5,
  injections: 1,
  missing: 0,
  lost: 0,
  doubled: 0,
  miscounted: 0,
  deliveries: { ok: 900, failed: 0, unknown: 100 },
  stats_replies: 10,
  position_looks: 10,
  longest_recovery_ms: 1_200,
  resident_bytes_max: 2 ** 27,
  longest_stall_ms: 0,
  tally: {},
  took_ms: 4_000,
  complaints: [],
  ...over,
});

const FRAME = { seed: 5, beganAt: new Date(0), tookMs: 61_000, stacks: 2 };

test("episodes of a fault add up to its row, and the longest recovery counts", () => {
  const results = [result("a"), result("a", { longest_recovery_ms: 3_000 })];
  const report = makeReport([fault("a")], { results, unavailable: {} }, FRAME);
  expect(report.rows).toMatchObject([
    { fault: "a", injections: 2, deliveries: 2_000, lost: 0, longest_recovery_ms: 3_000, verdict: "ok" },
  ]);
  expect(report.passed).toBe(true);
  expect(renderTable(report)).toContain("3.0 s");
  expect(renderMarkdown(report)).toContain("| the a (`a`) | 2 | 2,000 | 0 | 0 | 0 | 3.0 s | ok |");
});

test("a run replaces the one that stood in the page", () => {
  const report = makeReport([fault("a")], { results: [result("a")], unavailable: {} }, FRAME);
  const mark = "<!-- The last full run stands below; -->";
  const page = withRun(`# Faults\n${mark}\nan older one\n`, report);
  expect(page).toStartWith(`# Faults\n${mark}\n## The last full run, 1970-01-01\n`);
  expect(page).toContain("the a (`a`)");
  expect(page).not.toContain("an older one");
  expect(withRun(page, report)).toBe(page);
  expect(() => withRun("# No mark", report)).toThrow();
});

test("one complaint fails the row and the run, and names its seed", () => {
  const results = [result("a"), result("b", { seed: 77, complaints: ["P2: twice"] })];
  const report = makeReport([fault("a"), fault("b")], { results, unavailable: {} }, FRAME);
  expect(report.rows.map(({ verdict }) => verdict)).toEqual(["ok", "FAILED"]);
  expect(report.passed).toBe(false);
  expect(renderTable(report)).toContain("b: seed 77: P2: twice");
});

test("a control that loses nothing fails: it could not have shown a loss", () => {
  const control = fault("c", { mustLose: true, loses: true });
  const run = (lost: number) => makeReport([control], { results: [result("c", { lost })], unavailable: {} }, FRAME);
  expect(run(0).passed).toBe(false);
  expect(run(3).passed).toBe(true);
});

test("what this machine can't give says so, and a run of nothing has not passed", () => {
  const report = makeReport([fault("d")], { results: [], unavailable: { d: "no root" } }, FRAME);
  expect(report.rows).toMatchObject([{ verdict: "not run", remark: "no root" }]);
  expect(report.passed).toBe(false);
});
