/**
 * Postgres goes back to an older state, while the aggregators and Redis run on: a restore, or a failover to a replica
 * that lagged. What Redis still has is read again, from the position of then (P4), and work goes on by itself (P5).
 */
import { afterEach, expect, test } from "bun:test";
import { type BackingServers, startServers, useBackingServers } from "../harness/backing-servers.ts";
import { makeEvents, type TestEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { Follower } from "../harness/follower.ts";
import { goBack } from "../harness/go-back.ts";
import { recount } from "../harness/recount.ts";
import { shardKeys } from "../harness/redis-commands.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { drained } from "../harness/stats-watch.ts";

useBackingServers();
/** P5: after a dependency's return work goes on within this time. */
const RECOVERY_MS_MAX = 15_000;
const MINUTES_MS = 120_000;

let stack: Stack;
let own: BackingServers;

async function open(env: Record<string, string> = {}): Promise<void> {
  own = await startServers();
  stack = await openStack({ servers: own, env });
}

afterEach(async () => {
  await stack[Symbol.asyncDispose]();
  await own.stop();
});

/** P2 to P4: every one of them is stored, none is lost, and the rows agree. */
async function expectAllStored(events: readonly TestEvent[]): Promise<void> {
  const stats = await drained(() => stack.url, RECOVERY_MS_MAX);
  expect(stats.lost).toBe(0);
  expect(stats.unique_processed).toBe(events.length);
  const rows =
    await stack.sql`SELECT FROM identities WHERE event_id = ANY (${events.map((event) => event.event_id)}::uuid[])`;
  expect(rows).toHaveLength(events.length);
  expect((await recount(stack.sql)).faults).toEqual([]);
}

test("the tail of the stream is read again, and nothing is lost", async () => {
  await open();
  await stack.start();
  const [before, between, after] = [makeEvents(30), makeEvents(80), makeEvents(45)];
  const { publisher } = stack;
  await publisher.publishStored(before);
  await goBack(own.postgres, async () => {
    await publisher.publishStored(between, { within: 20_000 });
    await drained(() => stack.url);
  });
  await publisher.publishStored(after, { within: 20_000 });
  await expectAllStored([...before, ...between, ...after]);
});

/** As if so much time had passed since a shard was last trimmed. */
async function age(shard: number, ms: number): Promise<void> {
  const script = `
    for i, mark in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
      local at, rest = string.match(mark, '^(%d+) (.+)$')
      redis.call('LSET', KEYS[1], i - 1, string.format('%.0f %s', at - ARGV[1], rest))
    end`;
  await stack.redisCommand("EVAL", script, "1", shardKeys(stack.name, shard).tail, String(ms));
}

/** A commit has been followed by its trim. */
async function trimmed(shard: number, seq: number): Promise<void> {
  const { head } = shardKeys(stack.name, shard);
  await eventually(async () => {
    expect(await stack.redisCommand("HMGET", head, "seq", "committed")).toEqual([String(seq), String(seq)]);
  });
}

test("after minutes without Postgres the tail is not cut before it was read again, batch after batch", async () => {
  await open({ SHARDS: "1" });
  await stack.start();
  const { publisher } = stack;
  const batches = Array.from({ length: 4 }, () => makeEvents(1500));
  await publisher.publishStored(batches[0] ?? []);
  await goBack(own.postgres, async () => {
    for (const [index, batch] of batches.entries()) {
      if (index > 0) await publisher.publishStored(batch, { within: 20_000 });
      await trimmed(0, 1500 * (index + 1));
      // A mark a second: so each batch leaves one.
      await age(0, 2000);
    }
    await age(0, MINUTES_MS);
  });
  await expectAllStored(batches.flat());
});

test.each([
  ["one process", [{}]],
  ["roles apart", [{ ROLES: "api" }, { ROLES: "worker" }]],
])("behind an epoch: another one is issued, nobody has to help (%s, P5)", async (_name, processes) => {
  await open({ SHARDS: "1" });
  for (const env of processes) await stack.start(env as Record<string, string>);
  const { publisher } = stack;
  const [before, between, after] = [makeEvents(30), makeEvents(80), makeEvents(45)];
  await publisher.publishStored(before);
  await goBack(own.postgres, async () => {
    await trimmed(0, 30);
    await stack.redisCommand("FLUSHALL");
    await publisher.publishStored(between, { within: 20_000 });
    await drained(() => stack.url);
  });
  await publisher.publish(after);
  await expectAllStored([...before, ...between, ...after]);
});

test("a subscriber from before waits until the store has come up to its cursor again, and goes on then (P5)", async () => {
  await open({ SHARDS: "1" });
  const api = await stack.start({ ROLES: "api" });
  const worker = await stack.start({ ROLES: "worker" });
  const { publisher } = stack;
  const [before, between, after] = [makeEvents(30), makeEvents(80), makeEvents(45)];
  await publisher.publishStored(before);
  const early = new Follower(() => api.url, { from: "beginning", returns: true });
  await goBack(own.postgres, async () => {
    await publisher.publishStored(between, { within: 20_000 });
    await early.has(110);
    await early.stop();
    await worker.kill();
  });
  const late = new Follower(() => api.url, { lastId: early.lastId ?? "", returns: true });
  await eventually(() => {
    expect(late.refusals.map(({ text }) => JSON.parse(text).type)).toContain("urn:sekali:problem:store-behind");
  });
  await stack.start({ ROLES: "worker" });
  await publisher.publishStored(after, { within: 20_000 });
  await late.has(45);
  await late.stop();
  expect(late.events.map(({ event_id }) => event_id).toSorted()).toEqual(after.map((each) => each.event_id).toSorted());
  expect(late.refusals.filter(({ status }) => status !== 503)).toEqual([]);
});
