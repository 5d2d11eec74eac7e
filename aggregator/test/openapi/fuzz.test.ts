/**
 * Document and service held to each other by a fuzzer: Schemathesis makes requests of what `/openapi.json` says, good
 * ones and bad ones, and judges the replies by it. No 5xx, no status, header, content type or body that is not
 * described; nothing refused that the document allows, nothing taken that it forbids.
 *
 * Once where nobody is asked, and once with each kind of key: nothing may be had without one or with a wrong one, by
 * any scheme that the document names (`ignored_auth`), and what a lesser key is told is described wherever it comes.
 *
 * `make fuzz-api` runs this for longer (`FUZZ_CASES`: requests made up for each operation), `SEED=…` repeats a run.
 */
import { describe, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import type { KeyDefinition } from "../../src/store/key-port.ts";
import { keysOf } from "../access/keys.ts";
import { commandLine, environment } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { addRawEntry } from "../harness/redis-commands.ts";
import { openStack, type Stack } from "../harness/stack.ts";

const PROGRAM = join(import.meta.dir, "..", "..", "..", ".tools", "schemathesis", "bin", "schemathesis");
const SETTINGS = join(import.meta.dir, "schemathesis.toml");
const SEED = process.env["SEED"] ?? "20260131";
const isAsked = process.env["FUZZ_CASES"] !== undefined;
const CASES = Number(process.env["FUZZ_CASES"] ?? 10);
/** A lesser key meets the same code, but for what refuses it. */
const CASES_OF_LESSER_KEYS = isAsked ? Math.ceil(CASES / 5) : 1;
const LINE_CHARACTERS_MAX = 400;
/** Some of them are replayed or deleted on the way. */
const LETTERS = 10;

useBackingServers();

/** So that there is something of everything: events, a duplicate, a subscription, dead letters. */
async function furnish(stack: Stack, headers: Readonly<Record<string, string>>): Promise<void> {
  const ask = async (path: string, method = "GET", body: unknown = undefined) => {
    const json = { "content-type": "application/json" };
    const init = body === undefined ? { headers } : { headers: { ...headers, ...json }, body: JSON.stringify(body) };
    const response = await request(`${stack.url}${path}`, { method, ...init });
    expect([path, response.ok]).toEqual([path, true]);
    return response;
  };
  const [first, ...rest] = makeEvents(20);
  await ask("/publish?ack=stored", "POST", [first, first, ...rest]);
  await ask("/subscriptions/mailer", "PUT", { from: "beginning" });
  // Postgres alone refuses such a number.
  const text = JSON.stringify({ ...makeEvent(), payload: { n: "N" } }).replace('"N"', "1e-20000");
  const fields = Object.entries({ v: "1", n: "1", b: String(text.length), r: "1x1", d: text }).flat();
  for (let letters = 0; letters < LETTERS; letters += 1) {
    await addRawEntry({ url: stack.redis.url, prefix: stack.name, shard: 0, deliveries: 1, fields });
  }
  await eventually(async () => {
    expect(await (await ask("/dead-letters")).json()).toHaveLength(LETTERS);
  });
}

interface Run {
  readonly cases: number;
  readonly phases: string;
  /** Undefined: nobody is asked. */
  readonly key: string | undefined;
}

/** For a run of so many cases on a slow machine; then it is ended, and has failed. */
function runMsMax(cases: number): number {
  return 240_000 + cases * 30_000;
}

/** What it prints, with lines of a length that people read. */
async function fuzz(url: string, { cases, phases, key }: Run): Promise<{ code: number; said: string }> {
  const options = ["--seed", SEED, "--max-examples", String(cases), "--phases", phases];
  const shown = key === undefined ? [] : ["--header", `Authorization: Bearer ${key}`];
  const child = Bun.spawn(
    [PROGRAM, "--config-file", SETTINGS, "--no-color", "run", ...options, ...shown, `${url}/openapi.json`],
    {
      cwd: import.meta.dir,
      env: environment({ PYTHONDONTWRITEBYTECODE: "1", ...(key !== undefined && { FUZZ_ACCESS: "keys" }) }),
      stdout: "pipe",
      stderr: "inherit",
      timeout: runMsMax(cases),
    },
  );
  const lines = (await new Response(child.stdout).text()).split("\n");
  const said = lines.map((line) => line.slice(0, LINE_CHARACTERS_MAX)).join("\n");
  return { code: await child.exited, said };
}

function isInstalled(): boolean {
  if (existsSync(PROGRAM)) return true;
  const message = "Schemathesis is not installed, so nothing was held to the document: run make/schemathesis";
  if (process.env["CI"] !== undefined || isAsked) throw new Error(message);
  console.warn(`\n*** ${message} ***\n`);
  return false;
}

/** @param over of a key that is good for everything; undefined: nobody is asked. */
async function expectAsDescribed(over: Partial<KeyDefinition> | undefined, run: Omit<Run, "key">): Promise<void> {
  if (!isInstalled()) return;
  const access = over === undefined ? "open" : "keys";
  await using stack = await openStack({ env: { SHARDS: "1", ACCESS: access } });
  const aggregator = await stack.start();
  await using keys = keysOf(stack);
  await furnish(stack, access === "open" ? {} : { authorization: `Bearer ${await keys.make()}` });
  const key = over && (await keys.make(over));
  console.info(`fuzzing with SEED=${SEED} FUZZ_CASES=${run.cases} ACCESS=${access} ${JSON.stringify(over ?? {})}`);
  const { code, said } = await fuzz(aggregator.url, { ...run, key });
  if (code !== 0 || isAsked) console.info(said);
  expect(code).toBe(0);
  expect(aggregator.log.filter((line) => line.includes('"Request failed"'))).toEqual([]);

  // And whatever it has sent, every delivery is counted (P3).
  const verify = Bun.spawn(commandLine("verify"), { env: environment(stack.environment()), stdout: "inherit" });
  expect(await verify.exited).toBe(0);
}

describe("what the service does is what its document says", () => {
  const whole = isAsked ? "examples,coverage,fuzzing,stateful" : "examples,coverage,fuzzing";
  const brief = isAsked ? whole : "examples,fuzzing";
  const everything: Partial<KeyDefinition> = {};

  test.each([
    ["to anybody, where nobody is asked", undefined, CASES, whole],
    ["to a key for everything", everything, isAsked ? CASES : 1, brief],
    ["to a key that may read", { scopes: ["read"] }, CASES_OF_LESSER_KEYS, brief],
    ["to a key for some topics", { topics: ["user.>"] }, CASES_OF_LESSER_KEYS, brief],
    ["to a key with a small quota", { quota: { rate: 1, burst: 1 } }, CASES_OF_LESSER_KEYS, brief],
  ] as const)("%s", (_, over, cases, phases) => expectAsDescribed(over, { cases, phases }), runMsMax(CASES) + 60_000);
});
