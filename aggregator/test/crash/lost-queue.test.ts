/**
 * Redis itself loses what it acknowledged. The loss is noticed, counted as `lost`, logged as an
 * error, and everything that comes after it is stored (P4).
 */
import { afterEach, expect, test } from "bun:test";
import { type BackingServers, startServers, useBackingServers } from "../harness/backing-servers.ts";
import { makeEvents, type TestEvent, withDuplicates } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { goBack } from "../harness/go-back.ts";
import { Publisher, request } from "../harness/http-client.ts";
import { recount } from "../harness/recount.ts";
import { shardKeys } from "../harness/redis-commands.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { drained } from "../harness/stats-watch.ts";

/** P5: after a dependency's return work goes on within this time. */
const RECOVERY_MS_MAX = 15_000;

useBackingServers();

let stack: Stack;
let own: BackingServers | undefined;

afterEach(async () => {
  await stack[Symbol.asyncDispose]();
  await own?.stop();
  own = undefined;
});

async function storedOf(events: readonly TestEvent[]): Promise<number> {
  const rows =
    await stack.sql`SELECT FROM identities WHERE event_id = ANY (${events.map((event) => event.event_id)}::uuid[])`;
  return rows.length;
}

/** P4 after a loss: the rows agree with each other, the loss is shown, and both aggregators' replies were exact. */
async function expectLoss(lost: number, surviving: readonly TestEvent[]): Promise<void> {
  // Each process tells what it alone knows when it takes a shard up, which workers need not wait for.
  await eventually(async () => expect((await drained(() => stack.url)).lost).toBe(lost), { within: RECOVERY_MS_MAX });
  const rows = await recount(stack.sql);
  expect(rows.faults).toEqual([]);
  expect(rows.lost).toBe(lost);
  expect(await storedOf(surviving)).toBe(surviving.length);
}

test("FLUSHALL with a backlog: the loss is counted to the delivery, and what follows is stored", async () => {
  stack = await openStack();
  await stack.start({ ROLES: "api" });
  const [before, after] = [makeEvents(90), makeEvents(60)];
  await stack.publisher.publishAll([before.slice(0, 30), before.slice(30, 60), before.slice(60)]);
  const watch = stack.watchStats();
  watch.expectLoss();
  await stack.redisCommand("FLUSHALL");
  await stack.publisher.publish(after.slice(0, 30));
  await stack.start({ ROLES: "worker" });
  await stack.publisher.publishAll([after.slice(30, 45), after.slice(45)]);
  await expectLoss(90, after);
  expect(await storedOf(before)).toBe(0);
  await watch.stop();
  // What was lost can be sent again, and is new.
  const again = await stack.publisher.publishStored(before, { within: 20_000 });
  expect(again.unique).toBe(90);
  const logs = stack.aggregators.flatMap(({ log }) => log);
  expect(logs.some((line) => /"level":"?(error|50)/i.test(line) && /lost|loss/i.test(line))).toBe(true);
});

test("FLUSHALL with a backlog of two producers: each knows a part of the loss, and it is counted once (P4)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  const [first, second] = await Promise.all([stack.start({ ROLES: "api" }), stack.start({ ROLES: "api" })]);
  const [one, two] = [first, second].map(({ url }) => new Publisher(() => url, stack.ledger));
  await one?.publish(makeEvents(40));
  await two?.publish(makeEvents(30));
  await one?.publish(makeEvents(20));
  await stack.redisCommand("FLUSHALL");
  const after = makeEvents(50);
  await two?.publish(after.slice(0, 25));
  await one?.publish(after.slice(25));
  await stack.start({ ROLES: "worker" });
  await expectLoss(90, after);
});

test("FLUSHALL of an empty queue loses nothing, and what follows is stored", async () => {
  stack = await openStack();
  await stack.start();
  const [before, after] = [makeEvents(50), makeEvents(50)];
  await stack.publisher.publishStored(before);
  await drained(() => stack.url);
  await stack.redisCommand("FLUSHALL");
  await stack.publisher.publishStored(after, { within: 20_000 });
  await expectLoss(0, [...before, ...after]);
});

test("FLUSHALL while everything was down: what follows is stored, with new numbers", async () => {
  stack = await openStack();
  const first = await stack.start({ ROLES: "api" });
  await stack.publisher.publish(makeEvents(40));
  await first.kill();
  await stack.redisCommand("FLUSHALL");
  await stack.start();
  const after = makeEvents(60);
  await stack.publisher.publishStored(after);
  const stats = await drained(() => stack.url);
  expect(stats.unique_processed).toBe(60);
  expect((await recount(stack.sql)).faults).toEqual([]);
});

test("FLUSHALL when SHARDS was lowered: the backlog of the shard that nobody adds to is counted, too (P4)", async () => {
  stack = await openStack({ env: { ROLES: "api" } });
  const before = await stack.start({ SHARDS: "2" });
  let published = 0;
  await eventually(async () => {
    await stack.publisher.publish(makeEvents(10));
    published += 10;
    expect(await stack.redisCommand("HGET", shardKeys(stack.name, 1).head, "seq")).not.toBe("0");
  });
  await before.terminate();
  await stack.start({ SHARDS: "1" });
  await stack.redisCommand("FLUSHALL");
  const after = makeEvents(50);
  await stack.publisher.publish(after);
  await stack.start({ SHARDS: "1", ROLES: "worker" });
  await eventually(async () => await expectLoss(published, after));
});

test("FLUSHALL under load: nothing that was acknowledged later is missing", async () => {
  stack = await openStack();
  await stack.start();
  await stack.start();
  const watch = stack.watchStats();
  watch.expectLoss();
  for (let round = 0; round < 3; round += 1) {
    await stack.publisher.publishAll([withDuplicates(30, 10), withDuplicates(30, 10), withDuplicates(30, 10)]);
    await stack.redisCommand("FLUSHALL");
    const after = makeEvents(40);
    await stack.publisher.publishAll([after.slice(0, 20), after.slice(20)]);
    await drained(() => stack.url);
    expect(await storedOf(after)).toBe(40);
  }
  await watch.stop();
  expect((await recount(stack.sql)).faults).toEqual([]);
});

test("a stream deleted, its head kept: the gap is counted to the delivery, and what follows is stored", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  const api = await stack.start({ ROLES: "api" });
  const [before, after] = [makeEvents(70), makeEvents(50)];
  await stack.publisher.publish(before);
  await stack.redisCommand("DEL", shardKeys(stack.name, 0).stream);
  await stack.publisher.publish(after.slice(0, 25));
  await api.kill();
  await stack.start();
  await stack.publisher.publish(after.slice(25));
  await expectLoss(70, after);
});

test("an entry deleted from the middle of a stream is a gap of its own size", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  await stack.start({ ROLES: "api" });
  const batches = [makeEvents(10), makeEvents(20), makeEvents(30)];
  for (const batch of batches) await stack.publisher.publish(batch);
  const { stream } = shardKeys(stack.name, 0);
  const entries = (await stack.redisCommand("XRANGE", stream, "-", "+")) as [string, string[]][];
  expect(entries).toHaveLength(3);
  await stack.redisCommand("XDEL", stream, entries[1]?.[0] ?? "");
  await stack.start({ ROLES: "worker" });
  await expectLoss(20, [...(batches[0] ?? []), ...(batches[2] ?? [])]);
});

test("an older AOF restored: the backlog of then is stored, what is missing is counted, what follows is stored", async () => {
  own = await startServers();
  stack = await openStack({ servers: own });
  await stack.start({ ROLES: "api" });
  const [kept, lost, after] = [makeEvents(40), makeEvents(55), makeEvents(60)];
  await stack.publisher.publishAll([kept.slice(0, 20), kept.slice(20)]);
  const watch = stack.watchStats();
  watch.expectLoss();
  await goBack(own.redis, async () => {
    await stack.publisher.publishAll([lost.slice(0, 30), lost.slice(30)]);
  });
  await stack.publisher.publishAll([after.slice(0, 30), after.slice(30)]);
  await stack.start({ ROLES: "worker" });
  // A 503 of a moment when Redis was away may hide an entry; it was never acknowledged, but may be lost all the same.
  const stats = await drained(() => stack.url);
  expect(stats.lost).toBeGreaterThanOrEqual(55);
  expect(stats.lost).toBeLessThanOrEqual(55 + stack.ledger.inDoubt);
  expect(await storedOf([...kept, ...after])).toBe(100);
  expect(await storedOf(lost)).toBe(0);
  expect((await recount(stack.sql)).faults).toEqual([]);
  await watch.stop();
});

test("an older AOF restored behind the position: numbers go on above it, and nothing is skipped", async () => {
  own = await startServers();
  stack = await openStack({ servers: own });
  await stack.start();
  const [before, between, after] = [makeEvents(30), makeEvents(80), makeEvents(45)];
  await stack.publisher.publishStored(before);
  await goBack(own.redis, async () => {
    await stack.publisher.publishStored(between);
  });
  await stack.publisher.publishStored(after, { within: 20_000 });
  const stats = await drained(() => stack.url);
  expect(stats.lost).toBe(0);
  expect(await storedOf([...before, ...between, ...after])).toBe(155);
  expect((await recount(stack.sql)).faults).toEqual([]);
});

/** Keeps a shard's keys as they are, behind open connections. @returns what puts them back, in one step. */
async function keepAside(shard: number): Promise<() => Promise<void>> {
  const { head, stream } = shardKeys(stack.name, shard);
  const copy = async (...keys: string[]) => {
    const script = "redis.call('COPY', KEYS[1], KEYS[3], 'REPLACE') redis.call('COPY', KEYS[2], KEYS[4], 'REPLACE')";
    await stack.redisCommand("EVAL", script, "4", ...keys);
  };
  await copy(head, stream, `${head}:then`, `${stream}:then`);
  return () => copy(`${head}:then`, `${stream}:then`, head, stream);
}

test("Redis goes back behind an open connection: the next add is not taken below the position (P4)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  await stack.start();
  const [before, between, after] = [makeEvents(30), makeEvents(60), makeEvents(45)];
  await stack.publisher.publishStored(before);
  const goBackNow = await keepAside(0);
  await stack.publisher.publishStored(between);
  await goBackNow();
  await stack.publisher.publish(after);
  await expectLoss(0, [...before, ...between, ...after]);
});

test("Redis goes back behind open connections, and who has lost nothing adds first: all is counted (P4)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  const [loser, other] = await Promise.all([stack.start({ ROLES: "api" }), stack.start({ ROLES: "api" })]);
  const [one, two] = [loser, other].map(({ url }) => new Publisher(() => url, stack.ledger));
  const [kept, lost, after] = [makeEvents(20), makeEvents(40), makeEvents(25)];
  await one?.publish(kept);
  const goBackNow = await keepAside(0);
  await one?.publish(lost);
  await goBackNow();
  // Nobody has committed anything: that there was more, it can have heard from the other one only.
  await two?.publish(after);
  await one?.publish(makeEvents(5));
  await stack.start({ ROLES: "worker" });
  await expectLoss(40, [...kept, ...after]);
});

test("Redis comes back with less, and who has lost nothing is back first: all of the loss is counted (P4)", async () => {
  own = await startServers();
  stack = await openStack({ servers: own, env: { SHARDS: "1" } });
  const loser = await stack.start({ ROLES: "api" });
  const other = await stack.start({ ROLES: "api", BROKER_URL: own.redis.url });
  const [one, two] = [loser, other].map(({ url }) => new Publisher(() => url, stack.ledger));
  const [kept, lost, after] = [makeEvents(20), makeEvents(40), makeEvents(25)];
  await one?.publish(kept);
  await goBack(own.redis, async () => {
    await one?.publish(lost);
    stack.redisLink.refuse();
  });
  // It knows of nothing that is missing, and adds in the place of what is.
  await two?.publish(after);
  stack.redisLink.heal();
  await one?.publish(makeEvents(5));
  await stack.start({ ROLES: "worker" });
  await expectLoss(40, [...kept, ...after]);
});

test("Redis goes back behind the open connection of one who has added nothing: it adds above the position (P4)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  const busy = await stack.start();
  const idle = await stack.start({ ROLES: "api" });
  const [one, two] = [busy, idle].map(({ url }) => new Publisher(() => url, stack.ledger));
  await one?.publishStored(makeEvents(30));
  const goBackNow = await keepAside(0);
  await one?.publishStored(makeEvents(60));
  await busy.kill();
  await goBackNow();
  const after = makeEvents(45);
  await two?.publish(after);
  await stack.start({ ROLES: "worker" });
  await expectLoss(0, after);
});

test("a batch that was read before Redis went back does not commit after it (P3, P4)", async () => {
  own = await startServers();
  stack = await openStack({ servers: own, env: { SHARDS: "1" } });
  const api = await stack.start({ ROLES: "api", DATABASE_URL: own.postgres.url });
  const [kept, lost, after] = [makeEvents(20), makeEvents(30), makeEvents(25)];
  await stack.publisher.publish(kept);
  const { publisher, postgresLink } = stack;
  const hold = postgresLink.hold("request", ({ text }) => text.includes(lost[0]?.event_id ?? ""));
  await goBack(own.redis, async () => {
    await eventually(async () => expect((await request(`${api.url}/readyz`)).status).toBe(200));
    await publisher.publish(lost);
    await stack.start({ ROLES: "worker" });
    await hold.reached("the statement with what will be lost");
  });
  await publisher.publish(after);
  hold.release();
  await expectLoss(30, [...kept, ...after]);
  expect(await storedOf(lost)).toBe(0);
});

test("Redis comes back with less, and who was acknowledged is dead: a process that only works has heard it (P4)", async () => {
  own = await startServers();
  stack = await openStack({ servers: own, env: { SHARDS: "1" } });
  const api = await stack.start({ ROLES: "api", DATABASE_URL: own.postgres.url });
  const worker = await stack.start({ ROLES: "worker" });
  const [kept, lost, after] = [makeEvents(20), makeEvents(30), makeEvents(25)];
  const { publisher, postgresLink } = stack;
  await publisher.publishStored(kept);
  const hold = postgresLink.hold("request", ({ text }) => text.includes(lost[0]?.event_id ?? ""));
  await goBack(own.redis, async () => {
    await eventually(async () => {
      expect(await stack.redisCommand("PUBSUB", "NUMSUB", `${stack.name}:signals`)).toEqual([expect.anything(), 2]);
    });
    await publisher.publish(lost);
    await hold.reached("the statement with what will be lost");
    await api.kill();
  });
  await stack.start({ ROLES: "api", DATABASE_URL: own.postgres.url });
  await publisher.publish(after);
  hold.release();
  await worker.logged(/Redis lost acknowledged deliveries/);
  await expectLoss(30, [...kept, ...after]);
});

test("the tail that is kept behind the position is bounded in bytes", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  await stack.start();
  const payload = { filler: "x".repeat(100_000) };
  for (let batch = 0; batch < 8; batch += 1) await stack.publisher.publishStored(makeEvents(20, { payload }));
  const { stream } = shardKeys(stack.name, 0);
  const bytes = Number(await stack.redisCommand("MEMORY", "USAGE", stream, "SAMPLES", "0"));
  // 16 MB have gone through; the tail is 4 MiB, a mark of 1 MiB and the entry that crossed it.
  expect(bytes).toBeLessThan(9_000_000);
  expect(bytes).toBeGreaterThan(0);
  await stack.expectExact();
});
