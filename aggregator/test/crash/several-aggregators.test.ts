/** Several aggregators on one installation: they compete, one is paused or killed, the number of shards changes. */
import { afterEach, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { blockIdentity } from "../harness/blockade.ts";
import { makeEvent, makeEvents, withDuplicates } from "../harness/event-factory.ts";
import { Publisher, request } from "../harness/http-client.ts";
import { Load } from "../harness/load.ts";
import { shardKeys } from "../harness/redis-commands.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { drained } from "../harness/stats-watch.ts";

useBackingServers();
let stack: Stack;
afterEach(async () => await stack[Symbol.asyncDispose]());

test("three that start together on an empty database all come up, and share the work (P2, P3)", async () => {
  stack = await openStack();
  const spawned = await Promise.all([stack.spawn(), stack.spawn(), stack.spawn()]);
  await Promise.all(spawned.map(async (aggregator) => await aggregator.ready()));
  stack.watchStats();
  const publishers = spawned.map(({ url }) => new Publisher(() => url, stack.ledger));
  const batches = Array.from({ length: 10 }, () => withDuplicates(40, 20));
  // The same batches through each of them: two thirds of all deliveries are duplicates of another's.
  await Promise.all(publishers.map(async (publisher) => await publisher.publishAll(batches)));
  const { stats, rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(400);
  expect(stats.received).toBe(1_800);
});

test("racers for one identity: exactly one is told stored, and its content is what is kept (P2)", async () => {
  stack = await openStack({ env: { SHARDS: "4" } });
  const [first, second] = await Promise.all([stack.start(), stack.start()]);
  const publishers = [first, second].map(({ url }) => new Publisher(() => url, stack.ledger));
  for (let round = 0; round < 5; round += 1) {
    const event = makeEvent();
    const racers = Array.from({ length: 20 }, (_, racer) => ({ ...event, payload: { racer } }));
    const replies = await Promise.all(
      racers.map(async (racer, index) => await publishers[index % 2]?.publishStored([racer])),
    );
    const winners = racers.filter((_, index) => replies[index]?.results[0] === "stored");
    expect(winners).toHaveLength(1);
    const [row] = await stack.sql`SELECT payload FROM events WHERE event_id = ${event.event_id}`;
    expect(row?.["payload"]).toEqual(winners[0]?.payload);
  }
  await stack.expectExact();
});

test("one of two is killed under load, and the other goes on with its shards (P3, P5)", async () => {
  stack = await openStack();
  await stack.start({ ROLES: "worker" });
  await stack.start();
  stack.watchStats();
  const load = new Load(stack.publisher);
  await load.acknowledges(150);
  await stack.aggregators[0]?.kill();
  await load.acknowledges(150);
  await load.stop();
  const { rows } = await stack.expectExact({ within: 15_000 });
  expect(rows.unique_processed).toBe(stack.ledger.identities.size);
});

test("a worker paused with its statement open and resumed changes nothing (P2, P3)", async () => {
  stack = await openStack();
  const paused = await stack.start({ ROLES: "worker" });
  await stack.start({ ROLES: "api" });
  const event = makeEvent();
  const blockade = await blockIdentity(stack.sql, event);
  await stack.publisher.publish([event, ...withDuplicates(30, 10), event]);
  await blockade.waiting();
  paused.pause();
  await blockade.lift();
  const successor = await stack.start();
  stack.watchStats(() => successor.url);
  await stack.publisher.publishStored([event, ...makeEvents(10)]);
  paused.resume();
  await stack.publisher.publishStored(withDuplicates(30, 10));
  const { stats } = await stack.expectExact();
  expect(stats.received).toBe(stack.ledger.acknowledged);
});

test("a worker paused before its statement arrives: the late statement finds another position (P3)", async () => {
  stack = await openStack();
  const paused = await stack.start({ ROLES: "worker" });
  const event = makeEvent();
  const hold = stack.postgresLink.hold("request", ({ text }) => text.includes(event.event_id));
  const other = await stack.start({ DATABASE_URL: stack.postgres.url, ROLES: "api" });
  await stack.publisher.publish([event, ...withDuplicates(30, 10)]);
  await hold.reached("the statement");
  paused.pause();
  const successor = await stack.start({ DATABASE_URL: stack.postgres.url });
  stack.watchStats(() => successor.url);
  await drained(() => successor.url);
  expect((await stack.publisher.publishStored([event])).results).toEqual(["duplicate"]);
  hold.release();
  paused.resume();
  await stack.publisher.publishStored(withDuplicates(30, 10));
  const { stats } = await stack.expectExact();
  expect(stats.received).toBe(stack.ledger.acknowledged);
  expect(other.isRunning && paused.isRunning).toBe(true);
});

test("a paused process loses its shards to others for no longer than a statement may last (P5)", async () => {
  stack = await openStack();
  const paused = await stack.start({ ROLES: "worker" });
  await stack.start();
  const load = new Load(stack.publisher);
  await load.acknowledges(100);
  paused.pause();
  await load.acknowledges(200);
  await load.stop();
  await stack.publisher.publishStored(makeEvents(8), { within: 15_000 });
  paused.resume();
  await stack.expectExact();
});

/** Publishes until each of so many shards has a backlog that it did not have before; returns the events sent. */
async function fillShards(shards: number): Promise<number> {
  const heads = async () => {
    const keys = Array.from({ length: shards }, (_, shard) => shardKeys(stack.name, shard).head);
    const seqs = keys.map(async (key) => Number((await stack.redisCommand("HGET", key, "seq")) ?? 0));
    return await Promise.all(seqs);
  };
  const before = await heads();
  for (let batches = 1; batches <= 1000; batches += 1) {
    await stack.publisher.publish(withDuplicates(10, 5));
    const grown = (await heads()).filter((seq, shard) => seq > (before[shard] ?? 0));
    if (grown.length === shards) return batches * 10;
  }
  throw new Error(`a thousand batches did not reach all of ${shards} shards`);
}

test("the number of shards is raised and lowered with a backlog in every one (P3)", async () => {
  stack = await openStack();
  let unique = 0;
  for (const shards of [2, 6, 1]) {
    const api = await stack.start({ ROLES: "api", SHARDS: String(shards) });
    unique += await fillShards(shards);
    await api.kill();
  }
  await stack.start({ SHARDS: "3" });
  stack.watchStats();
  await stack.publisher.publishStored(withDuplicates(20, 10));
  const { stats, rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(unique + 20);
  expect(stats.received).toBe(stack.ledger.acknowledged);
});

test("two with different numbers of shards work side by side (P3)", async () => {
  stack = await openStack();
  const [few, many] = await Promise.all([stack.start({ SHARDS: "1" }), stack.start({ SHARDS: "5" })]);
  const publishers = [few, many].map(({ url }) => new Publisher(() => url, stack.ledger));
  const batches = Array.from({ length: 20 }, () => withDuplicates(10, 5));
  await Promise.all(publishers.map(async (publisher) => await publisher.publishAll(batches)));
  const { rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(200);
  const replies = await Promise.all([few, many].map(async ({ url }) => await (await request(`${url}/stats`)).json()));
  expect(replies.map((reply) => (reply as { received: number }).received)).toEqual([600, 600]);
});

test("a process without the role api takes no events and shows none, and reports all the same", async () => {
  stack = await openStack();
  const worker = await stack.start({ ROLES: "worker" });
  const status = async (path: string, method = "GET") => (await fetch(`${worker.url}${path}`, { method })).status;
  expect(
    await Promise.all([status("/publish", "POST"), status("/events"), status("/stats"), status("/readyz")]),
  ).toEqual([404, 404, 200, 200]);
});

test("installations with one KEY_PREFIX in two databases of one Redis hear nothing of each other (P3, P4)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  await stack.start();
  const neighbour = await openStack({ env: { SHARDS: "1" } });
  try {
    // Redis's databases are apart, its channels are not.
    const apart = new URL("/1", neighbour.redisLink.inFrontOf(neighbour.redis.url)).href;
    await neighbour.start({ BROKER_URL: apart, KEY_PREFIX: stack.name });
    for (const [one, count] of [
      [neighbour, 10],
      [stack, 50],
      [neighbour, 10],
    ] as const) {
      const outcome = await one.publisher.attempt(makeEvents(count), "?ack=stored");
      expect(outcome).toMatchObject({ taken: true, reply: { unique: count } });
    }
    for (const { sql } of [stack, neighbour]) {
      const [row] =
        await sql`SELECT (SELECT max(epoch) FROM epochs)::int AS epoch, (SELECT count(*) FROM losses)::int AS lost`;
      expect(row).toEqual({ epoch: 1, lost: 0 });
    }
    await neighbour.expectExact();
  } finally {
    await neighbour[Symbol.asyncDispose]();
  }
  await stack.expectExact();
});
