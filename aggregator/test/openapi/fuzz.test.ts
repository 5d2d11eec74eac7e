/**
 * Document and service held to each other by a fuzzer: Schemathesis makes requests of what `/openapi.json` says, good
 * ones and bad ones, and judges the replies by it. No 5xx, no status, header, content type or body that is not
 * described; nothing refused that the document allows, nothing taken that it forbids.
 *
 * `make fuzz-api` runs this for longer (`FUZZ_CASES`: requests made up for each operation), `SEED=…` repeats a run.
 */
import { expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { commandLine, environment } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { post, request } from "../harness/http-client.ts";
import { addRawEntry } from "../harness/redis-commands.ts";
import { openStack, type Stack } from "../harness/stack.ts";

const PROGRAM = join(import.meta.dir, "..", "..", "..", ".tools", "schemathesis", "bin", "schemathesis");
const SETTINGS = join(import.meta.dir, "schemathesis.toml");
const SEED = process.env["SEED"] ?? "20260131";
const CASES = Number(process.env["FUZZ_CASES"] ?? 10);
/** For a run of so many cases on a slow machine; then it is ended, and has failed. */
const RUN_MS_MAX = 240_000 + CASES * 30_000;
const LINE_CHARACTERS_MAX = 400;
/** Some of them are replayed or deleted on the way. */
const LETTERS = 10;
const isAsked = process.env["FUZZ_CASES"] !== undefined;

useBackingServers();

/** So that there is something of everything: events, a duplicate, a subscription, dead letters. */
async function furnish(stack: Stack): Promise<void> {
  const [first, ...rest] = makeEvents(20);
  await post(`${stack.url}/publish?ack=stored`, [first, first, ...rest]);
  await request(`${stack.url}/subscriptions/mailer`, { method: "PUT", body: '{"from":"beginning"}' });
  // Postgres alone refuses such a number.
  const text = JSON.stringify({ ...makeEvent(), payload: { n: "N" } }).replace('"N"', "1e-20000");
  const fields = Object.entries({ v: "1", n: "1", b: String(text.length), r: "1x1", d: text }).flat();
  for (let letters = 0; letters < LETTERS; letters += 1) {
    await addRawEntry({ url: stack.redis.url, prefix: stack.name, shard: 0, deliveries: 1, fields });
  }
  await eventually(async () => {
    expect(await (await request(`${stack.url}/dead-letters`)).json()).toHaveLength(LETTERS);
  });
}

/** What it prints, with lines of a length that people read. */
async function fuzz(url: string): Promise<{ code: number; said: string }> {
  const phases = isAsked ? "examples,coverage,fuzzing,stateful" : "examples,coverage,fuzzing";
  const options = ["--seed", SEED, "--max-examples", String(CASES), "--phases", phases];
  const child = Bun.spawn(
    [PROGRAM, "--config-file", SETTINGS, "--no-color", "run", ...options, `${url}/openapi.json`],
    {
      cwd: import.meta.dir,
      env: environment({ PYTHONDONTWRITEBYTECODE: "1" }),
      stdout: "pipe",
      stderr: "inherit",
      timeout: RUN_MS_MAX,
    },
  );
  const lines = (await new Response(child.stdout).text()).split("\n");
  const said = lines.map((line) => line.slice(0, LINE_CHARACTERS_MAX)).join("\n");
  return { code: await child.exited, said };
}

test(
  "what the service does is what its document says",
  async () => {
    if (!existsSync(PROGRAM)) {
      const message = "Schemathesis is not installed, so nothing was held to the document: run make/schemathesis";
      if (process.env["CI"] !== undefined || isAsked) throw new Error(message);
      console.warn(`\n*** ${message} ***\n`);
      return;
    }
    await using stack = await openStack({ env: { SHARDS: "1" } });
    const aggregator = await stack.start();
    await furnish(stack);
    console.info(`fuzzing with SEED=${SEED} FUZZ_CASES=${CASES}`);
    const { code, said } = await fuzz(aggregator.url);
    if (code !== 0 || isAsked) console.info(said);
    expect(code).toBe(0);
    expect(aggregator.log.filter((line) => line.includes('"Request failed"'))).toEqual([]);

    // And whatever it has sent, every delivery is counted (P3).
    const verify = Bun.spawn(commandLine("verify"), { env: environment(stack.environment()), stdout: "inherit" });
    expect(await verify.exited).toBe(0);
  },
  RUN_MS_MAX + 60_000,
);
