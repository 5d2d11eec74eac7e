/** Redis is killed, silent, cut off, or answers and is not heard. */
import { afterEach, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { batchesOf, makeEvent, makeEvents, withDuplicates } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { Publisher, post, request } from "../harness/http-client.ts";
import { Load } from "../harness/load.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { drained } from "../harness/stats-watch.ts";

useBackingServers();
let stack: Stack;
afterEach(async () => await stack[Symbol.asyncDispose]());

/** P6: while Redis is away a publish fails within this time. */
const REFUSAL_MS_MAX = 2_000;
/** P5: after a dependency's return work goes on within this time. */
const RECOVERY_MS_MAX = 15_000;

/** More than the tail that a stream keeps behind its position (4 MiB), less than what the test publishes. */
const MEMORY_BYTES_MAX = 14_000_000;

async function expectQuickRefusal(): Promise<void> {
  const before = performance.now();
  const event = makeEvent();
  const response = await post(`${stack.url}/publish`, event);
  expect(response.status).toBe(503);
  expect(performance.now() - before).toBeLessThan(REFUSAL_MS_MAX);
  expect(Number(response.headers.get("retry-after"))).toBeGreaterThan(0);
  stack.ledger.doubt([event]);
}

async function expectReadiness(status: number): Promise<void> {
  await eventually(async () => expect((await request(`${stack.url}/readyz`)).status).toBe(status), { within: 15_000 });
}

test("Redis killed and restarted under load, three times: what was acknowledged is there (P1, P5)", async () => {
  stack = await openStack();
  await stack.start();
  stack.watchStats();
  const load = new Load(stack.publisher);
  for (let kill = 0; kill < 3; kill += 1) {
    await load.acknowledges(100, RECOVERY_MS_MAX);
    await stack.redis.kill();
    await stack.redis.start();
  }
  await load.acknowledges(100, RECOVERY_MS_MAX);
  await load.stop();
  const { stats, rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(stack.ledger.identities.size);
  expect(stats.lost).toBe(0);
});

test("Redis killed with a backlog while the aggregator is gone too: the backlog is stored (P1)", async () => {
  stack = await openStack();
  const api = await stack.start({ ROLES: "api" });
  stack.watchStats();
  await stack.publisher.publishAll([withDuplicates(100, 40), withDuplicates(100, 40), makeEvents(1)]);
  await Promise.all([api.kill(), stack.redis.kill()]);
  await stack.redis.start();
  await stack.start();
  const { stats } = await stack.expectExact();
  expect(stats.received).toBe(stack.ledger.acknowledged);
});

test.each(["refuses", "is silent"])(
  "while Redis %s, publish fails within 2 s and readiness says so (P6)",
  async (how) => {
    stack = await openStack();
    await stack.start();
    await stack.publisher.publishStored(makeEvents(5));
    if (how === "refuses") stack.redisLink.refuse();
    else stack.redisLink.stall("request", "reply");
    await expectQuickRefusal();
    await expectReadiness(503);
    await expectQuickRefusal();
    const health = await request(`${stack.url}/healthz`);
    expect(health.status).toBe(200);
    expect((await request(`${stack.url}/stats`)).status).toBe(503);
    stack.redisLink.heal();
    await expectReadiness(200);
    await stack.publisher.publishStored(makeEvents(5), { within: RECOVERY_MS_MAX });
    await stack.expectExact();
  },
);

test("an entry whose acknowledgement is lost is 503, never a guess, and is counted once (P3, P6)", async () => {
  stack = await openStack();
  await stack.start();
  stack.watchStats();
  const event = makeEvent();
  const hold = stack.redisLink.hold("reply", ({ text }) => text.includes("added"));
  const attempt = stack.publisher.attempt([event]);
  await hold.reached("the reply to the add");
  hold.cut();
  expect(await attempt).toMatchObject({ taken: false, why: expect.stringContaining("503") });
  await drained(() => stack.url);
  expect((await stack.publisher.publishStored([event])).results).toEqual(["duplicate"]);
  const { rows } = await stack.expectExact();
  expect(rows).toMatchObject({ unique_processed: 1, duplicate_dropped: 1 });
});

test("a slow link to Redis costs time and nothing else", async () => {
  stack = await openStack();
  await stack.start();
  stack.watchStats();
  stack.redisLink.delayMs = 40;
  await stack.publisher.publishAll([withDuplicates(30, 10), withDuplicates(30, 10), makeEvents(1)]);
  await stack.publisher.publishStored(makeEvents(10));
  stack.redisLink.heal();
  const { stats } = await stack.expectExact();
  expect(stats.received).toBe(stack.ledger.acknowledged + stack.ledger.inDoubt);
});

test("a Redis whose memory is full answers 503, loses nothing, and takes events again when workers have caught up (P4, P5)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  const api = await stack.start({ ROLES: "api" });
  stack.watchStats();
  const usedBytes = async () => {
    const report = String(await stack.redisCommand("INFO", "memory"));
    return Number(/used_memory:(\d+)/.exec(report)?.[1]);
  };
  const limitTo = async (bytes: number) => await stack.redisCommand("CONFIG", "SET", "maxmemory", String(bytes));
  await limitTo((await usedBytes()) + MEMORY_BYTES_MAX);
  try {
    const payload = { filler: "x".repeat(100_000) };
    const batches = batchesOf(makeEvents(300, { payload }), 3);
    let taken = 0;
    while ((await stack.publisher.attempt(batches[taken] ?? [])).taken) taken += 1;
    expect(taken).toBeGreaterThan(10);
    expect(taken).toBeLessThan(batches.length - 10);
    // Well past the limit, so that not even the smallest write is let through while the workers catch up.
    await limitTo((await usedBytes()) - 2_000_000);
    await stack.start({ ROLES: "worker" });
    // How long that takes is the machine's business, not that of P5.
    await drained(() => stack.url, 60_000);
    for (const batch of batches.slice(taken, taken + 10))
      await stack.publisher.publish(batch, { within: RECOVERY_MS_MAX });
    expect(api.isRunning).toBe(true);
    const { stats } = await stack.expectExact();
    expect(stats).toMatchObject({ unique_processed: (taken + 10) * 3, lost: 0 });
  } finally {
    await limitTo(0);
  }
});

test("two whose first question is not answered agree on the epoch all the same, and work goes on (P5)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  const hold = stack.redisLink.hold("request", ({ text }) => /\binfo\r\n\$6\r\nserver/i.test(text));
  const starting = [await stack.spawn(), await stack.spawn()];
  await hold.reached("the question for the run");
  // It waits for longer than a command may; then it and its connection are gone.
  await starting[0]?.logged(/Redis away|Dependency not there yet/);
  hold.cut();
  await Promise.all(starting.map((aggregator) => aggregator.ready()));
  const [one, two] = starting.map(({ url }) => new Publisher(() => url, stack.ledger));
  for (let round = 0; round < 3; round += 1) {
    await one?.publishStored(makeEvents(5));
    await two?.publishStored(makeEvents(5));
  }
  const [row] = await stack.sql`SELECT count(*)::int AS epochs FROM epochs`;
  expect(row?.["epochs"]).toBeLessThan(4);
  await stack.expectExact();
});

test("where INFO is forbidden two agree on the epoch all the same (P5)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  await stack.redisCommand("ACL", "SETUSER", "no-info", "on", ">word", "~*", "&*", "+@all", "-info");
  const url = stack.redisLink.inFrontOf(stack.redis.url).replace("redis://", "redis://no-info:word@");
  const [first, second] = [await stack.start({ BROKER_URL: url }), await stack.start({ BROKER_URL: url })];
  const publishers = [first, second].map((aggregator) => new Publisher(() => aggregator.url, stack.ledger));
  for (let round = 0; round < 3; round += 1) {
    for (const publisher of publishers) await publisher.publishStored(makeEvents(5));
  }
  const [row] = await stack.sql`SELECT count(*)::int AS epochs FROM epochs`;
  expect(row?.["epochs"]).toBe(1);
  await stack.expectExact();
});

test("a Redis that promises less than P1 is used, and named in the log", async () => {
  stack = await openStack();
  await stack.redisCommand("CONFIG", "SET", "appendfsync", "everysec");
  try {
    const aggregator = await stack.start();
    await aggregator.logged(/appendfsync.*everysec/);
  } finally {
    await stack.redisCommand("CONFIG", "SET", "appendfsync", "always");
  }
});

test("another installation's Redis is refused", async () => {
  stack = await openStack();
  await stack.start();
  await stack.publisher.publishStored(makeEvents(3));
  await stack.aggregators[0]?.terminate();
  const stranger = await openStack();
  try {
    const misled = await stranger.spawn({ KEY_PREFIX: stack.name, STARTUP_TIMEOUT_S: "2" });
    await misled.logged(/foreign|another installation/i);
    const response = await post(`${misled.url}/publish`, makeEvent()).catch(() => undefined);
    expect(response?.status ?? 503).toBe(503);
  } finally {
    await stranger[Symbol.asyncDispose]();
  }
});

test("a connection that is lost while it subscribes again is no fault, and the next one subscribes (P5)", async () => {
  stack = await openStack();
  const aggregator = await stack.start();
  const listening = async (expected: number) => {
    await eventually(async () => {
      const reply = (await stack.redisCommand("PUBSUB", "NUMSUB", `${stack.name}:signals`)) as [string, number];
      expect(Number(reply[1])).toBe(expected);
    });
  };
  await listening(1);
  const hold = stack.redisLink.hold("request", ({ text }) => /\r\nsubscribe\r\n/i.test(text));
  stack.redisLink.reset();
  await hold.reached("the subscription after the reconnection");
  hold.cut();
  await listening(1);
  expect(aggregator.log.filter((line) => line.includes("Unhandled rejection"))).toEqual([]);
  await stack.publisher.publish(makeEvents(3));
  await stack.expectExact();
});
