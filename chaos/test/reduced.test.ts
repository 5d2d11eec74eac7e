/**
 * A few injections of every fault, on one seed: `make chaos` in small. The times of P5 and P6 are its own business, not
 * that of a test that shares a machine with others.
 */
import { beforeAll, expect, test } from "bun:test";
import type { EpisodeResult } from "../src/episode.ts";
import { FAULTS } from "../src/faults/catalogue.ts";
import { planEpisodes } from "../src/plan.ts";
import { makeReport, type Report } from "../src/report/report.ts";
import { runEpisodes } from "../src/run.ts";

const RUN_MS_MAX = 600_000;
const SEED = Number(process.env["TEST_SEED"] ?? 20_126);
const BOUNDS = { recoveryMs: 60_000, refusalMs: 20_000, exitMs: 60_000, residentBytes: 2 ** 30 };

let report: Report;
beforeAll(async () => {
  const beganAt = new Date();
  const result = await runEpisodes({
    episodes: planEpisodes({ faults: FAULTS, seed: SEED, reduced: true }),
    stacks: 3,
    aggregators: 2,
    bounds: BOUNDS,
    binary: process.env["SEKALI_BINARY"],
    signal: new AbortController().signal,
    onResult: () => undefined,
  });
  report = makeReport(FAULTS, result, { seed: SEED, beganAt, tookMs: 0, stacks: 3 });
}, RUN_MS_MAX);

test.each(FAULTS.map(({ title, name }) => [title, name] as const))("%s (P1 to P6)", (_, name) => {
  const complaints = report.episodes
    .filter(({ fault }: EpisodeResult) => fault === name)
    .flatMap((episode) => episode.complaints.map((complaint) => `seed ${episode.seed}: ${complaint}`));
  expect(complaints).toEqual([]);
  const row = report.rows.find(({ fault }) => fault === name);
  if (row?.verdict === "not run") console.info(`not run: ${name}: ${row.remark}`);
  expect(row?.verdict).not.toBe("FAILED");
});
