/**
 * Consumers of one durable subscription through crashes: theirs, between what they were handed and its
 * acknowledgement, and those of the aggregators and of Postgres.
 */
import { afterEach, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { Consumer } from "../harness/consumer.ts";
import { Crowd } from "../harness/crowd.ts";
import { identityOf, integer, makeEvents, pick } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { Load } from "../harness/load.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
afterEach(async () => await stack[Symbol.asyncDispose]());

const KILLS = 5;

test("competing consumers, through kills of consumers and aggregators: every event is acknowledged, none twice", async () => {
  stack = await openStack({ env: { SHARDS: "4" } });
  await Promise.all([stack.start(), stack.start()]);
  await new Consumer(() => stack.url, "crowd").make({ topic: ">", ack_timeout_s: 2, deliveries_max: 1_000 });
  const anyUrl = () => pick(stack.aggregators.filter(({ isRunning }) => isRunning)).url;
  const crowd = new Crowd(6, anyUrl, "crowd");
  const load = new Load(stack.publisher);
  for (let kill = 0; kill < KILLS; kill += 1) {
    await load.acknowledges(integer(50, 200));
    await pick(stack.aggregators.filter(({ isRunning }) => isRunning)).kill();
    await stack.start();
  }
  await load.stop();
  const { rows } = await stack.expectExact();
  const done = new Consumer(() => stack.url, "crowd");
  await eventually(async () => expect(await done.state()).toMatchObject({ lag: 0, outstanding: 0, dead: 0 }), {
    within: 40_000,
  });
  await crowd.stop();
  const stored = (await stack.sql<{ topic: string; event_id: string }[]>`SELECT topic, event_id FROM events`).map(
    identityOf,
  );
  expect(stored).toHaveLength(rows.events);
  // An acknowledgement whose answer was lost in a kill has ended the lease, and is not in the consumer's books.
  const strangers = [...crowd.acknowledged.keys()].filter((identity) => !new Set(stored).has(identity));
  expect(strangers).toEqual([]);
  expect([...crowd.acknowledged.values()].filter((times) => times !== 1)).toEqual([]);
  expect(crowd.acknowledged.size).toBeGreaterThan(0.8 * stored.length);
});

test("an aggregator that dies between hand-out and acknowledgement changes nothing: another one takes the answer", async () => {
  stack = await openStack();
  const first = await stack.start();
  const second = await stack.start();
  const [at, other] = [first, second].map(({ url }) => new Consumer(() => url, "jobs"));
  await at?.make({ from: "beginning", ack_timeout_s: 600 });
  await stack.publisher.publishStored(makeEvents(20));
  const got = (await at?.take(20, { acknowledge: false })) ?? [];
  await first.kill();
  expect(await other?.state()).toMatchObject({ outstanding: 20, lag: 0 });
  const answer = await other?.acknowledge(got.map(({ ack_id }) => ack_id));
  expect(answer).toEqual({ acknowledged: 20, stale: [] });
  expect(await other?.next()).toEqual([]);
});

test("publishers and stores do not wait for a subscription whose rows somebody holds", async () => {
  stack = await openStack();
  await stack.start();
  const consumer = new Consumer(() => stack.url, "held");
  await consumer.make({ from: "beginning" });
  await stack.sql.begin(async (sql) => {
    await sql`SELECT FROM subscription_cursors FOR UPDATE`;
    const reply = await stack.publisher.publishStored(makeEvents(10));
    expect(reply.unique).toBe(10);
    // Nothing of it can be handed out meanwhile, which is said at once.
    expect(await consumer.next()).toEqual([]);
  });
  expect(await consumer.take(10)).toHaveLength(10);
});
