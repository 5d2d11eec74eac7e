/**
 * `bun chaos/src/main.ts run`: injects faults into real stacks, heals them, and holds what is stored and counted to
 * what the publishers know. The only file here that handles signals and exits.
 *
 * Exits 0 when nothing was found, 1 when something was, 2 for wrong usage, 130 when interrupted.
 */
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Command, CommanderError } from "commander";
import type { EpisodeResult } from "./episode.ts";
import { FAULTS } from "./faults/catalogue.ts";
import type { Fault } from "./faults/fault.ts";
import { integer, named, SEED_MAX } from "./options.ts";
import { type PlannedEpisode, planEpisodes } from "./plan.ts";
import { renderMarkdown, renderTable, withRun } from "./report/render.ts";
import { makeReport } from "./report/report.ts";
import { runEpisodes } from "./run.ts";

const MEBIBYTE = 2 ** 20;

const say = (line: string): void => console.log(line);

interface RunFlags {
  readonly fault?: readonly Fault[];
  readonly injections?: number;
  readonly seed: number;
  readonly episodeSeed?: number;
  readonly stacks: number;
  readonly aggregators: number;
  readonly binary?: string;
  readonly reports: string;
  readonly document?: string;
  readonly reduced: boolean;
  readonly recoveryMs: number;
  readonly refusalMs: number;
}

const stopping = new AbortController();
process.on("SIGINT", () => stopping.abort());
process.on("SIGTERM", () => stopping.abort());

function plan(flags: RunFlags, faults: readonly Fault[]): PlannedEpisode[] {
  if (flags.episodeSeed === undefined) {
    return planEpisodes({ faults, seed: flags.seed, injections: flags.injections, reduced: flags.reduced });
  }
  const seed = flags.episodeSeed;
  return faults.map((fault) => ({ fault, injections: flags.injections ?? fault.perEpisode, seed }));
}

function sayResult(result: EpisodeResult, done: number, all: number, injections: number): void {
  const { fault, seed, complaints, deliveries, lost, longest_recovery_ms, took_ms } = result;
  const verdict = complaints.length === 0 ? "ok    " : "FAILED";
  const place = `${String(done).padStart(4)}/${all}`;
  const made = `${fault.padEnd(22)} ${String(result.injections).padStart(3)} made`;
  say(
    `${place} ${verdict} ${made}, ${deliveries.ok} acknowledged, ${deliveries.unknown} unknown, ${lost} lost, ` +
      `recovery ${(longest_recovery_ms / 1000).toFixed(1)} s, took ${(took_ms / 1000).toFixed(0)} s`,
  );
  if (complaints.length === 0) return;
  for (const complaint of complaints.slice(0, 8)) say(`       ${complaint}`);
  if (complaints.length > 8) say(`       … and ${complaints.length - 8} more`);
  say(`       again: make chaos ARGS='--fault ${fault} --injections ${injections} --episode-seed ${seed}'`);
}

async function run(flags: RunFlags): Promise<void> {
  const faults = flags.fault ?? FAULTS;
  const episodes = plan(flags, faults);
  const stacks = Math.min(flags.stacks, episodes.length);
  const beganAt = new Date();
  const before = performance.now();
  say(`${episodes.length} episodes, ${stacks} stacks at once; seed ${flags.seed} (again: --seed ${flags.seed})`);
  const result = await runEpisodes({
    episodes,
    stacks,
    aggregators: flags.aggregators,
    bounds: {
      recoveryMs: flags.recoveryMs,
      refusalMs: flags.refusalMs,
      exitMs: 10_000,
      residentBytes: 400 * MEBIBYTE,
    },
    binary: flags.binary,
    signal: stopping.signal,
    onResult: (each, done) => {
      const planned = episodes.find(({ fault, seed }) => fault.name === each.fault && seed === each.seed);
      sayResult(each, done, episodes.length, planned?.injections ?? each.injections);
    },
  });
  const frame = { seed: flags.seed, beganAt, tookMs: performance.now() - before, stacks };
  const report = makeReport(faults, result, frame);
  mkdirSync(flags.reports, { recursive: true });
  const stem = join(flags.reports, `chaos-${report.began_at.slice(0, 19).replaceAll(":", "")}`);
  await Bun.write(`${stem}.json`, `${JSON.stringify(report, null, 2)}\n`);
  await Bun.write(`${stem}.md`, renderMarkdown(report));
  if (flags.document !== undefined) {
    await Bun.write(flags.document, withRun(await Bun.file(flags.document).text(), report));
  }
  say(`\n${renderTable(report)}\n\nreport  ${stem}.md\ndata    ${stem}.json`);
  process.exitCode = stopping.signal.aborted ? 130 : report.passed ? 0 : 1;
}

const program = new Command("chaos").description("Faults while work goes on, and a checker that knows every delivery.");
program.exitOverride();
program
  .command("run", { isDefault: true })
  .description("inject faults, heal them, check what is stored and counted")
  .option("--fault <name>", "only this one; may be given several times", named(FAULTS))
  .option("--injections <n>", "of each fault, instead of its own number", integer(1, 100_000))
  .option(
    "--seed <n>",
    "of all choices of the run",
    integer(0, SEED_MAX),
    crypto.getRandomValues(new Uint32Array(1))[0],
  )
  .option("--episode-seed <n>", "one episode of each fault, from this seed", integer(0, SEED_MAX))
  .option("--stacks <n>", "stacks at the same time", integer(1, 16), 3)
  .option("--aggregators <n>", "of each stack", integer(2, 8), 2)
  .option("--binary <path>", "the compiled aggregator to break; without it the sources run")
  .option("--reports <folder>", "where the report goes", join(import.meta.dir, "..", "reports"))
  .option("--document <path>", "a page of Markdown whose last section becomes this run")
  .option("--reduced", "a few injections of each fault", false)
  .option("--recovery-ms <n>", "what P5 allows", integer(1, 600_000), 15_000)
  .option("--refusal-ms <n>", "what P6 allows", integer(1, 60_000), 2_000)
  .action(run);
program
  .command("list")
  .description("the faults there are")
  .action(() => {
    for (const { name, injections, title } of FAULTS)
      say(`${name.padEnd(24)} ${String(injections).padStart(4)}  ${title}`);
  });

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
// Servers are gone by now; sockets that a broken proxy left open must not keep the program.
process.exit();
