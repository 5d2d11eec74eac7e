/** The beginning and the end of a process: waiting for dependencies, draining, exit codes. */
import { afterEach, expect, test } from "bun:test";
import { freePort } from "@sekali/native";
import { commandLine, environment } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { type Blockade, blockInserts } from "../harness/blockade.ts";
import { makeEvent, makeEvents, withDuplicates } from "../harness/event-factory.ts";
import { eventually, within } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { Load } from "../harness/load.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
let blockade: Blockade | undefined;
afterEach(async () => {
  await blockade?.lift();
  blockade = undefined;
  await stack[Symbol.asyncDispose]();
});

/** SIGTERM: exit 0 within this time. */
const DRAIN_MS_MAX = 10_000;

async function expectOrderlyEnd(): Promise<void> {
  const before = performance.now();
  expect(await stack.aggregators[0]?.terminate()).toBe(0);
  expect(performance.now() - before).toBeLessThan(DRAIN_MS_MAX);
}

test("SIGTERM under load: what is in flight is answered, exit 0 within 10 s, and a successor goes on", async () => {
  stack = await openStack();
  await stack.start();
  const load = new Load(stack.publisher);
  await load.acknowledges(100);
  await expectOrderlyEnd();
  await stack.start();
  stack.watchStats();
  await load.acknowledges(100);
  await load.stop();
  const { rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(stack.ledger.identities.size);
});

test("SIGTERM while a request waits for a slow Redis: no new ones, but this one is answered before the end (P1)", async () => {
  stack = await openStack();
  await stack.start();
  const [event = makeEvent()] = makeEvents(1);
  const sent = Promise.withResolvers<void>();
  stack.redisLink.watch(({ direction, text }) => {
    if (direction === "request" && text.includes(event.event_id)) sent.resolve();
  });
  // There and back this is well below the second that the service waits for an answer of Redis.
  stack.redisLink.delayMs = 300;
  const attempt = stack.publisher.attempt([event]);
  await within(sent.promise, 5_000, "the add");
  const ended = expectOrderlyEnd();
  const { url } = stack;
  await eventually(async () => {
    const readiness = await request(`${url}/readyz`).catch(() => undefined);
    expect(readiness?.status).not.toBe(200);
  });
  expect((await attempt).taken).toBe(true);
  await ended;
  stack.redisLink.heal();
  await stack.start();
  await stack.expectExact();
});

test("SIGTERM while a statement waits for a lock: exit 0 within 10 s all the same", async () => {
  stack = await openStack();
  await stack.start();
  blockade = await blockInserts(stack.sql);
  await stack.publisher.publish(withDuplicates(20, 10));
  await blockade.waiting();
  await expectOrderlyEnd();
  await blockade.lift();
  await stack.start();
  await stack.expectExact();
});

test.each(["redisLink", "postgresLink"] as const)(
  "SIGTERM while %s is silent: exit 0 within 10 s all the same",
  async (link) => {
    stack = await openStack();
    await stack.start();
    await stack.publisher.publishStored(makeEvents(5));
    stack[link].stall("request", "reply");
    await expectOrderlyEnd();
    stack[link].heal();
    await stack.start();
    await stack.expectExact();
  },
);

test("it waits for its dependencies at start, and comes up when they are there (P5)", async () => {
  stack = await openStack();
  stack.postgresLink.refuse();
  stack.redisLink.refuse();
  const aggregator = await stack.spawn();
  await aggregator.logged(/Postgres/i);
  stack.postgresLink.heal();
  await aggregator.logged(/Redis/i);
  stack.redisLink.heal();
  await aggregator.ready();
  await stack.publisher.publishStored(makeEvents(5));
  await stack.expectExact();
});

test.each(["redisLink", "postgresLink"] as const)(
  "without %s it ends with code 3 after its start-up time",
  async (link) => {
    stack = await openStack({ env: { STARTUP_TIMEOUT_S: "3" } });
    stack[link].refuse();
    const aggregator = await stack.spawn();
    expect(await aggregator.exited).toBe(3);
  },
);

async function run(
  arguments_: string[],
  env: Record<string, string>,
): Promise<{ code: number; output: string; errors: string }> {
  const child = Bun.spawn(commandLine(...arguments_), { env: environment(env), stdout: "pipe", stderr: "pipe" });
  const [output, errors, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { code, output, errors };
}

test("a wrong setting is refused with code 2, naming the variable, what it got and what it takes", async () => {
  stack = await openStack();
  const { code, output, errors } = await run(["serve"], stack.environment({ WORKERS: "many" }));
  expect(code).toBe(2);
  expect(output + errors).toMatch(/WORKERS.*many.*\b1\b/s);
});

test("a password never comes into the log", async () => {
  stack = await openStack({
    env: { STARTUP_TIMEOUT_S: "1", DATABASE_PASSWORD: "s3cret-word", BROKER_PASSWORD: "s3cret-word" },
  });
  stack.postgresLink.refuse();
  const { output, errors } = await run(["serve"], { ...stack.environment(), PORT: String(await freePort()) });
  expect(output + errors).not.toContain("s3cret-word");
  expect((output + errors).length).toBeGreaterThan(0);
});

test("--version, --help and a wrong command have their codes", async () => {
  stack = await openStack();
  expect(await run(["--version"], {})).toMatchObject({ code: 0, output: expect.stringMatching(/\d+\.\d+\.\d+/) });
  expect(await run(["--help"], {})).toMatchObject({ code: 0, output: expect.stringContaining("verify") });
  const { code, errors } = await run(["dance"], {});
  expect([code, errors]).toEqual([2, expect.stringContaining("there is no command 'dance'")]);
});

test("verify finds nothing to say about a sound installation, and code 4 about a counter that lies (P3)", async () => {
  stack = await openStack();
  await stack.start();
  await stack.publisher.publishStored(withDuplicates(50, 20));
  const sound = await run(["verify", "--json"], stack.environment());
  expect(sound.code).toBe(0);
  JSON.parse(sound.output);
  await stack.sql`UPDATE counters SET unique_processed = unique_processed + 1 WHERE unique_processed > 0`;
  const lying = await run(["verify"], stack.environment());
  expect(lying.code).toBe(4);
  await stack.sql`UPDATE counters SET unique_processed = unique_processed - 1 WHERE unique_processed > 0`;
  expect((await run(["verify"], stack.environment())).code).toBe(0);
});

test("healthcheck tells a live process from a missing one", async () => {
  stack = await openStack();
  const aggregator = await stack.start();
  const env = { HOST: "127.0.0.1", PORT: String(aggregator.port) };
  expect((await run(["healthcheck"], stack.environment(env))).code).toBe(0);
  await aggregator.kill();
  expect((await run(["healthcheck"], stack.environment(env))).code).not.toBe(0);
});
