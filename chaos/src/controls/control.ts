/** One control: a mutant, and whether its evidence turns red; or no mutation, and whether all evidence stays green. */
import { FAULTS } from "../faults/catalogue.ts";
import { planEpisodes } from "../plan.ts";
import { runEpisodes } from "../run.ts";
import { Mutant } from "./mutant.ts";
import type { Edit, Evidence } from "./mutation.ts";

export interface ControlOptions {
  readonly seed: number;
  readonly stacks: number;
  readonly signal: AbortSignal;
}

export interface Outcome {
  readonly isRed: boolean;
  /** The check that was red first, in its own words. */
  readonly complaint: string | undefined;
  /** Injections until then, or all of them. */
  readonly injections: number;
  readonly tookMs: number;
}

/** The times of P5 and P6 are no mutation's matter, and a busy machine must not answer for one. */
const BOUNDS = { recoveryMs: 60_000, refusalMs: 20_000, exitMs: 60_000, residentBytes: 2 ** 30 };
const TEST_MS_MAX = 120_000;
/** An episode is checked at its end: short ones tell sooner. */
const INJECTIONS_PER_EPISODE = 4;

export async function runControl(
  edits: readonly Edit[],
  evidence: readonly Evidence[],
  options: ControlOptions,
): Promise<Outcome> {
  const before = performance.now();
  using mutant = new Mutant(edits);
  await mutant.compile();
  let injections = 0;
  for (const each of evidence) {
    const found = "faults" in each ? await breakWith(mutant, each, options) : await testWith(mutant, each);
    injections += found.injections;
    if (found.complaint !== undefined || options.signal.aborted) {
      const isRed = found.complaint !== undefined;
      return { isRed, complaint: found.complaint, injections, tookMs: performance.now() - before };
    }
  }
  return { isRed: false, complaint: undefined, injections, tookMs: performance.now() - before };
}

interface Found {
  readonly complaint: string | undefined;
  readonly injections: number;
}

/** Ends with the first episode that finds something. */
async function breakWith(
  mutant: Mutant,
  { faults, injections }: Extract<Evidence, { readonly faults: readonly string[] }>,
  { seed, stacks, signal }: ControlOptions,
): Promise<Found> {
  const enough = new AbortController();
  const chosen = FAULTS.filter(({ name }) => faults.includes(name)).map((fault) => ({
    ...fault,
    perEpisode: Math.min(fault.perEpisode, INJECTIONS_PER_EPISODE),
  }));
  const { results, unavailable } = await runEpisodes({
    episodes: planEpisodes({ faults: chosen, seed, injections, reduced: false }),
    stacks,
    aggregators: 2,
    bounds: BOUNDS,
    binary: mutant.binary,
    signal: AbortSignal.any([signal, enough.signal]),
    onResult: ({ complaints }) => {
      if (complaints.length > 0) enough.abort();
    },
  });
  const reasons = Object.values(unavailable);
  if (results.length === 0 && reasons.length > 0) throw new Error(`no evidence can be had here: ${reasons.join(", ")}`);
  const complaint = results.flatMap(({ complaints }) => complaints)[0];
  return { complaint, injections: results.reduce((sum, result) => sum + result.injections, 0) };
}

async function testWith(mutant: Mutant, { path, test }: { path: string; test: string }): Promise<Found> {
  const { code, output } = await mutant.bun(["test", "--timeout", String(TEST_MS_MAX), path, "-t", test]);
  const failed = /^\(fail\) (.*?)(?: \[[\d.]+ms\])?$/m.exec(output)?.[1];
  if (code !== 0 && failed === undefined) throw new Error(`${path} could not be run:\n${output.slice(-2000)}`);
  if (code === 0 && !/^ [1-9]\d* pass$/m.test(output)) throw new Error(`${path} has no test like "${test}"`);
  return { complaint: failed === undefined ? undefined : `test: ${failed}`, injections: 1 };
}
