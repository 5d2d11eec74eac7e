/**
 * `bun loadtest/src/main.ts [profile … | bench | endurance | subscribers]`. The only file here that reads the
 * environment, handles signals and exits.
 *
 *   TARGET_URL    the service (several, separated by commas, where aggregators share the work; default
 *                 http://127.0.0.1:8080)
 *   DATABASE_URL  where given, the recount reads the tables themselves instead of paging through `/events`
 *   LOAD_SEED     the pattern of duplicates, topics and contents; the same again for the same seed
 *   SEKALI_BINARY a compiled aggregator for stacks of our own, instead of the sources
 *   SUBSCRIBERS, EVENTS_PER_S, SECONDS   of the profile subscribers
 *   BENCH_ROUNDS, BENCH_SECONDS, BENCH_IDS (v4, v7)   how the benchmark runs
 *   BENCH_GROWTH=1        with the cost as it grows, too: about ten minutes more
 *   BENCH_GROWTH_EVENTS   how many events are present then (1000000,5000000)
 *   BENCH_ONLY            which parts of it, by name
 *   SOAK_MINUTES          how long the soak takes (30)
 *
 * Exits 0 when every figure agreed and every threshold was kept, 1 when not, 2 for wrong usage, 130 when
 * interrupted.
 */
import { join } from "node:path";
import { PROFILES, type Profile } from "../k6/profiles.ts";
import { runBench } from "./bench/bench.ts";
import { benchPage, benchTable } from "./bench/bench-report.ts";
import type { BenchOptions } from "./bench/setting.ts";
import { SUBJECTS, type Subject } from "./bench/subjects.ts";
import { isFine, measureFollowers } from "./followers/followers.ts";
import { soak } from "./soak/soak.ts";
import { soakPage, soakTable } from "./soak/soak-report.ts";
import { page } from "./stress/html.ts";
import { table } from "./stress/report.ts";
import type { DatabasePlace } from "./stress/rows.ts";
import { stress } from "./stress/stress.ts";

const ROOT = join(import.meta.dir, "..", "..");
const SEED_DEFAULT = 20_126;

const say = (line: string): void => console.log(line);

function usage(problem: string): never {
  const known = PROFILES.map(({ name, purpose }) => `  ${name.padEnd(12)} ${purpose}`).join("\n");
  console.error(
    `${problem}

usage: bun loadtest/src/main.ts [profile …]   (stress when none is named)
${known}
  subscribers  1,000 of them on one topic at 1,000 events/s: delays, completeness, memory (own stack)
  bench        how near the limits: beside a bare echo, Postgres alone and a naive design
  endurance    SOAK_MINUTES at two thirds of the peak: does anything grow that should not`,
  );
  process.exit(2);
}

function targets(text: string): [string, ...string[]] {
  const [first, ...others] = text.split(",").map((url) => url.trim().replace(/\/+$/, ""));
  for (const url of [first, ...others]) {
    if (url === undefined || !URL.canParse(url)) {
      usage(`TARGET_URL is no URL: ${text}`);
    }
  }
  return [first as string, ...others];
}

function seed(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0 || value >= 2 ** 32) {
    usage(`LOAD_SEED is no whole number below 2^32: ${text}`);
  }
  return value;
}

/** Where the tables can be read; undefined where only the service is known. */
function database(): DatabasePlace | undefined {
  const { DATABASE_URL, DATABASE_PASSWORD, DATABASE_SCHEMA } = process.env;
  if (!DATABASE_URL) {
    return undefined;
  }
  const url = new URL(DATABASE_URL);
  if (url.password === "" && DATABASE_PASSWORD) {
    url.password = encodeURIComponent(DATABASE_PASSWORD);
  }
  return { url: url.toString(), schema: DATABASE_SCHEMA || "public" };
}

async function runProfile(profile: Profile, signal: AbortSignal): Promise<boolean> {
  const report = await stress(
    {
      profile,
      targets: targets(process.env["TARGET_URL"] || "http://127.0.0.1:8080"),
      database: database(),
      seed: seed(process.env["LOAD_SEED"] || String(SEED_DEFAULT)),
      root: ROOT,
      inherited: process.env,
      binary: process.env["SEKALI_BINARY"] || undefined,
      signal,
    },
    say,
  );
  await Bun.write(report.files.json, `${JSON.stringify(report, null, 2)}\n`);
  await Bun.write(report.files.html, page(report));
  say(`\n${table(report)}\n`);
  say(`report     ${report.files.html}\ndata       ${report.files.json}\nk6's page  ${report.files.dashboard}`);
  return report.passed;
}

function wholeNumber(name: string, least: number, usual: number): number {
  const text = process.env[name] || String(usual);
  const value = Number(text);
  if (!Number.isInteger(value) || value < least) {
    usage(`${name} takes a whole number from ${least}, not ${text}`);
  }
  return value;
}

/** How many events are present. Filling up to the last takes a minute or two for each version of UUIDs. */
function growthSizes(): number[] {
  const sizes = (process.env["BENCH_GROWTH_EVENTS"] || "1000000,5000000").split(",").map(Number);
  const grows = sizes.every((size, index) => Number.isInteger(size) && size > (sizes[index - 1] ?? 0));
  return grows ? sizes : usage("BENCH_GROWTH_EVENTS takes whole numbers that grow, with commas between them");
}

function benchOptions(signal: AbortSignal): BenchOptions {
  const ids = process.env["BENCH_IDS"] || "v4";
  if (ids !== "v4" && ids !== "v7") {
    usage(`BENCH_IDS takes v4 or v7, not ${ids}`);
  }
  const all = [...Object.keys(SUBJECTS), "memory"];
  const named = process.env["BENCH_ONLY"] ? process.env["BENCH_ONLY"].split(",") : all;
  if (!named.every((one) => all.includes(one) || one === "growth")) {
    usage(`BENCH_ONLY takes some of ${all.join(", ")}, growth, with commas between them`);
  }
  return {
    rounds: wholeNumber("BENCH_ROUNDS", 1, 3),
    seconds: wholeNumber("BENCH_SECONDS", 1, 5),
    ids,
    only: (Object.keys(SUBJECTS) as Subject[]).filter((subject) => named.includes(subject)),
    memory: named.includes("memory"),
    growth: named.includes("growth") || process.env["BENCH_GROWTH"] === "1" ? growthSizes() : [],
    root: ROOT,
    binary: process.env["SEKALI_BINARY"] || undefined,
    signal,
  };
}

async function bench(signal: AbortSignal): Promise<void> {
  const result = await runBench(benchOptions(signal), say);
  const stem = join(ROOT, "loadtest", "reports", `bench-${result.began_at.slice(0, 19).replaceAll(":", "")}`);
  await Bun.write(`${stem}.json`, `${JSON.stringify(result, null, 2)}\n`);
  await Bun.write(`${stem}.html`, benchPage(result));
  say(`\n${benchTable(result)}\n\nchart  ${stem}.html\ndata   ${stem}.json`);
}

async function endure(signal: AbortSignal): Promise<boolean> {
  // The streams keep a tail of a minute: only after that can they be flat.
  const minutes = wholeNumber("SOAK_MINUTES", 5, 30);
  const binary = process.env["SEKALI_BINARY"] || undefined;
  const report = await soak({ minutes, root: ROOT, binary, signal }, say);
  const stem = join(ROOT, "loadtest", "reports", `soak-${report.began_at.slice(0, 19).replaceAll(":", "")}`);
  await Bun.write(`${stem}.json`, `${JSON.stringify(report, null, 2)}\n`);
  await Bun.write(`${stem}.html`, soakPage(report));
  say(`\n${soakTable(report)}\n\nreport  ${stem}.html\ndata    ${stem}.json`);
  return report.passed;
}

async function follow(): Promise<boolean> {
  const options = {
    subscribers: wholeNumber("SUBSCRIBERS", 1, 1_000),
    events_per_s: wholeNumber("EVENTS_PER_S", 100, 1_000),
    seconds: wholeNumber("SECONDS", 1, 20),
  };
  const binary = process.env["SEKALI_BINARY"] || undefined;
  const result = await measureFollowers(options, {
    root: ROOT,
    binary,
    logs: join(ROOT, "loadtest/reports/followers"),
  });
  say(JSON.stringify({ ...options, ...result }, null, 2));
  return isFine(result);
}

const stopping = new AbortController();
process.on("SIGINT", () => stopping.abort());
process.on("SIGTERM", () => stopping.abort());

/** One after the other, and all of them: a run that failed must not hide what the next one finds. */
async function runProfiles(profiles: readonly Profile[]): Promise<boolean> {
  const passed: boolean[] = [];
  for (const profile of profiles) {
    passed.push(await runProfile(profile, stopping.signal));
  }
  return passed.every(Boolean);
}

async function main(names: readonly string[]): Promise<number> {
  if (names.length === 1 && names[0] === "bench") {
    await bench(stopping.signal);
    return 0;
  }
  if (names.length === 1 && names[0] === "subscribers") {
    return (await follow()) ? 0 : 1;
  }
  if (names.length === 1 && names[0] === "endurance") {
    return (await endure(stopping.signal)) ? 0 : 1;
  }
  const profiles = names.map(
    (named) => PROFILES.find(({ name }) => name === named) ?? usage(`no profile is called ${named}`),
  );
  return (await runProfiles(profiles)) ? 0 : 1;
}

try {
  const names = process.argv.slice(2);
  process.exitCode = await main(names.length === 0 ? ["stress"] : names);
} catch (error) {
  console.error(stopping.signal.aborted ? "interrupted" : error instanceof Error ? error.message : error);
  process.exitCode = stopping.signal.aborted ? 130 : 1;
}
