/** The packed transport with real pino, in Node and in Bun, against a real service that is killed in between. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { AggregatorProcess } from "@sekali/aggregator/harness/aggregator-process";
import { useBackingServers } from "@sekali/aggregator/harness/backing-servers";
import { eventually, within } from "@sekali/aggregator/harness/eventually";
import { openStack, type Stack } from "@sekali/aggregator/harness/stack";
import { drained } from "@sekali/aggregator/harness/stats-watch";
import { type Installed, installPackage, NODE } from "./package.ts";

useBackingServers();

let installed: Installed;
let stack: Stack;
let aggregator: AggregatorProcess;
beforeAll(async () => {
  installed = await installPackage();
  const pino = join(import.meta.dir, "..", "..", "node_modules", "pino");
  await symlink(pino, join(installed.folder, "node_modules", "pino"));
});
beforeEach(async () => {
  stack = await openStack();
  aggregator = await stack.start();
});
afterEach(async () => await stack[Symbol.asyncDispose]());
afterAll(async () => await installed[Symbol.asyncDispose]());

/** Logs `count` records, pausing now and then, in the middle until told so, and ends without a word to pino. */
const LOGGING = `
  import { once } from "node:events";
  import { scheduler } from "node:timers/promises";
  import { pino } from "pino";
  const [options, count, end] = process.argv.slice(2);
  const logger = pino(pino.transport({ target: "@sekali/client/pino", options: JSON.parse(options) }));
  for (let n = 0; n < Number(count); n += 1) {
    if (end === "told" && n === count / 2) {
      await once(process.stdin, "data");
      process.stdin.destroy();
    }
    logger.child({ n })[n % 2 === 0 ? "info" : "error"]("record");
    if (n % 20 === 19) await scheduler.wait(5);
    if (n === 100) process.stdout.write("under way\\n");
  }
  process.stdout.write("logged\\n");
  if (end === "exit") process.exit(7);
`;

function start(program: readonly string[], options: object, count: number, end = "") {
  const args = [
    JSON.stringify({ url: aggregator.url, topic: "app.{level}", source: "test", ...options }),
    `${count}`,
    end,
  ];
  const child = Bun.spawn([...program, join(installed.folder, "log.mjs"), ...args], {
    cwd: installed.folder,
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
  });
  return {
    child,
    ended: Promise.all([child.exited, new Response(child.stdout).text(), new Response(child.stderr).text()]).then(
      ([code, stdout, stderr]) => ({ code, stdout, stderr }),
    ),
  };
}

async function storedNumbers(): Promise<{ stored: number; numbers: number; topics: number }> {
  const [row] = await stack.sql<{ stored: number; numbers: number; topics: number }[]>`
    SELECT count(*)::int AS stored, count(DISTINCT payload->'n')::int AS numbers, count(DISTINCT topic)::int AS topics
    FROM events WHERE source = 'test' AND payload->>'msg' = 'record'`;
  return row ?? { stored: 0, numbers: 0, topics: 0 };
}

describe.each([
  ["Node", [NODE]],
  ["Bun", [process.execPath]],
] as const)("in %s", (_, program) => {
  beforeAll(async () => await writeFile(join(installed.folder, "log.mjs"), LOGGING));

  test.each([["by itself"], ["exit"]])("a process that ends (%s) has everything delivered", async (end) => {
    const { code, stderr } = await start(program, {}, 500, end).ended;
    expect({ code, stderr }).toEqual({ code: end === "exit" ? 7 : 0, stderr: "" });
    await drained(() => aggregator.url, 10_000);
    expect(await storedNumbers()).toEqual({ stored: 500, numbers: 500, topics: 2 });
  });

  test("each record is stored once, though the service is killed in between", async () => {
    const running = start(program, { batch: { eventsMax: 10 }, retry: { delayMsMax: 100 } }, 2000, "told");
    await eventually(async () => expect((await storedNumbers()).stored).toBeGreaterThan(100));
    await aggregator.kill();
    const second = await AggregatorProcess.spawn(stack.environment(), { port: aggregator.port });
    stack.aggregators.push(second);
    await second.ready();
    // Its end, which waits for five seconds at most, must not come before the service is back.
    running.child.stdin.write("go on\n");
    await running.child.stdin.end();
    const { code, stderr } = await running.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    await drained(() => second.url, 10_000);
    expect(await storedNumbers()).toEqual({ stored: 2000, numbers: 2000, topics: 2 });
  });

  test("a service that is away costs records, which are counted, and neither time nor an error", async () => {
    await aggregator.kill();
    const options = { buffer: { eventsMax: 50 }, closeTimeoutMs: 300 };
    const { code, stdout, stderr } = await within(start(program, options, 500).ended, 20_000, "the end of the process");
    expect(code).toBe(0);
    expect(stdout).toContain("logged");
    const dropped = [...stderr.matchAll(/sekali: (\d+) log records were not delivered/g)].map(([, n]) => Number(n));
    expect(dropped.reduce((sum, n) => sum + n, 0)).toBe(500);
  });
});
