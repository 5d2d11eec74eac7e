/**
 * `bun chaos/src/controls/main.ts`: breaks the product on purpose, one promise at a time, and demands that the harness,
 * or a test that is named, turns red. Without a mutation the same evidence must be green. The only file here that
 * handles signals and exits.
 *
 * Exits 0 when every mutation was found, 1 when one stayed green (a check is missing) or the product itself was red,
 * 2 for wrong usage, 130 when interrupted.
 */
import { Command, CommanderError } from "commander";
import { integer, named, SEED_MAX } from "../options.ts";
import { type ControlOptions, type Outcome, runControl } from "./control.ts";
import type { Evidence, Mutation } from "./mutation.ts";
import { MUTATIONS } from "./mutations.ts";

/** A complaint names an event and its payload, too. */
const COMPLAINT_CHARACTERS = 100;

const say = (line: string): void => console.log(line);

/** Each fault and each test once, as often as the most demanding mutation asks. */
function allEvidence(mutations: readonly Mutation[]): readonly Evidence[] {
  const faults = new Map<string, number>();
  const tests = new Map<string, Evidence>();
  for (const { evidence } of mutations) {
    if ("faults" in evidence) {
      for (const name of evidence.faults) faults.set(name, Math.max(faults.get(name) ?? 0, evidence.injections));
    } else {
      tests.set(`${evidence.path} ${evidence.test}`, evidence);
    }
  }
  return [...[...faults].map(([name, injections]) => ({ faults: [name], injections })), ...tests.values()];
}

function row(name: string, { complaint, injections, tookMs }: Outcome): string {
  const words = (complaint ?? "nothing").replace(/\s+/g, " ").slice(0, COMPLAINT_CHARACTERS);
  return `| ${name} | ${words.replaceAll("|", "\\|")} | ${injections} | ${(tookMs / 1000).toFixed(0)} s |`;
}

interface Flags {
  readonly mutation?: readonly Mutation[];
  readonly seed: number;
  readonly stacks: number;
  readonly sound: boolean;
}

const stopping = new AbortController();
process.on("SIGINT", () => stopping.abort());
process.on("SIGTERM", () => stopping.abort());

async function run({ mutation: mutations = MUTATIONS, seed, stacks, sound }: Flags): Promise<void> {
  const options: ControlOptions = { seed, stacks, signal: stopping.signal };
  say(`${mutations.length} mutations; seed ${seed} (again: --seed ${seed})\n`);
  say("| mutation | red by | after injections | took |\n|---|---|---|---|");
  const wrong: string[] = [];
  for (const { name, title, promise, edits, evidence } of mutations) {
    const outcome = await runControl(edits, [evidence], options);
    if (stopping.signal.aborted) break;
    say(row(`${promise} ${title} (\`${name}\`)`, outcome));
    if (!outcome.isRed) wrong.push(`${name} stays green: a check is missing`);
  }
  if (sound && !stopping.signal.aborted) {
    const outcome = await runControl([], allEvidence(mutations), options);
    say(row("none: the product as it is", outcome));
    if (outcome.isRed) wrong.push(`the product itself is red: ${outcome.complaint}`);
  }
  for (const complaint of wrong) say(`\n${complaint}`);
  process.exitCode = stopping.signal.aborted ? 130 : wrong.length === 0 ? 0 : 1;
}

const program = new Command("controls").description("Mutations that must turn the harness red.");
program
  .exitOverride()
  .option("--mutation <name>", "only this one; may be given several times", named(MUTATIONS))
  .option("--seed <n>", "of all choices", integer(0, SEED_MAX), crypto.getRandomValues(new Uint32Array(1))[0])
  .option("--stacks <n>", "stacks at the same time", integer(1, 16), 2)
  .option("--no-sound", "without the run that must be green")
  .action(run);

try {
  await program.parseAsync();
} catch (error) {
  if (!(error instanceof CommanderError)) throw error;
  process.exitCode = error.exitCode === 0 ? 0 : 2;
}
// Servers are gone by now; sockets that a broken proxy left open must not keep the program.
process.exit();
