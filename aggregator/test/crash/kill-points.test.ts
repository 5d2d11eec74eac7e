/**
 * The aggregator is killed (-9) at every point of an event's way. The proxies on its links show the point and hold the
 * world still there; the program knows nothing of it. After each: every acknowledged delivery is counted once and every
 * identity is stored once (P2, P3), though nobody helped (P5).
 */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { type Blockade, blockIdentity } from "../harness/blockade.ts";
import { integer, makeEvent, makeEvents, type TestEvent, withDuplicates } from "../harness/event-factory.ts";
import { Load } from "../harness/load.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { drained } from "../harness/stats-watch.ts";
import type { Hold, Message } from "../harness/tcp-proxy.ts";

useBackingServers();
let stack: Stack;
let marked: TestEvent;

beforeEach(async () => {
  stack = await openStack();
  await stack.start();
  marked = makeEvent();
  await stack.publisher.publishStored(withDuplicates(40, 15));
  stack.watchStats();
});
afterEach(async () => await stack[Symbol.asyncDispose]());

function carries(event: TestEvent): (message: Message) => boolean {
  return ({ text }) => text.includes(event.event_id);
}

const isTrim = ({ text }: Message) => text.includes(`${stack.name}:{`) && text.includes("moved ");

/** Publishes a batch with the marked event in it and waits until the hold has caught what it is to catch. */
async function publishInto(hold: Hold, what: string): Promise<void> {
  await stack.publisher.publish([...withDuplicates(30, 10), marked, marked]);
  await hold.reached(what);
}

async function killAndRestart(): Promise<void> {
  await stack.aggregators[0]?.kill();
  await stack.start();
}

async function expectAllExact(): Promise<void> {
  await stack.publisher.publish(withDuplicates(20, 10));
  const { stats, rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(stack.ledger.identities.size);
  expect(stats).toMatchObject({ received: stack.ledger.acknowledged, lost: 0, dead_lettered: 0 });
}

test("killed after the entry is in Redis, before the publisher is answered: the retry is a duplicate (P3, P6)", async () => {
  const hold = stack.redisLink.hold("reply", ({ text }) => text.includes("added"));
  const attempt = stack.publisher.attempt([marked]);
  await hold.reached("the reply to the add");
  await stack.aggregators[0]?.kill();
  expect((await attempt).taken).toBe(false);
  hold.cut();
  await stack.start();
  // Between shards the order is undefined: the retry is the second only when the first has been stored.
  await drained(() => stack.url);
  expect((await stack.publisher.publishStored([marked])).results).toEqual(["duplicate"]);
  const { rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(stack.ledger.identities.size);
});

test("killed while the answer to the read is on its way", async () => {
  const hold = stack.redisLink.hold("reply", carries(marked));
  await publishInto(hold, "the answer to the read");
  await stack.aggregators[0]?.kill();
  hold.cut();
  await stack.start();
  await expectAllExact();
});

test("killed after the read, before the insert: the statement never arrives", async () => {
  const hold = stack.postgresLink.hold("request", carries(marked));
  await publishInto(hold, "the statement");
  await stack.aggregators[0]?.kill();
  hold.cut();
  await stack.start();
  await expectAllExact();
});

test("killed after the read; its statement arrives late, when a successor has stored the batch", async () => {
  const hold = stack.postgresLink.hold("request", carries(marked));
  await publishInto(hold, "the statement");
  // The successor's statement carries the marked event too; it takes another way to Postgres.
  await stack.aggregators[0]?.kill();
  await stack.start({ DATABASE_URL: stack.postgres.url });
  await drained(() => stack.url);
  expect((await stack.publisher.publishStored([marked])).results).toEqual(["duplicate"]);
  hold.release();
  await expectAllExact();
});

test("killed after the read; its statement arrives before a successor starts", async () => {
  const hold = stack.postgresLink.hold("request", carries(marked));
  await publishInto(hold, "the statement");
  await stack.aggregators[0]?.kill();
  hold.release();
  await stack.start();
  await expectAllExact();
});

async function blockMarked(): Promise<Blockade> {
  const blockade = await blockIdentity(stack.sql, marked);
  await stack.publisher.publish([...withDuplicates(30, 10), marked, marked]);
  return blockade;
}

test("killed before the commit; the orphaned statement commits by itself", async () => {
  const blockade = await blockMarked();
  await blockade.waiting();
  await stack.aggregators[0]?.kill();
  const successor = await stack.spawn();
  await blockade.lift();
  await successor.ready();
  await expectAllExact();
});

test("killed before the commit; the orphaned statement dies with its backend", async () => {
  const blockade = await blockMarked();
  const orphan = await blockade.waiting();
  await stack.aggregators[0]?.kill();
  await stack.sql`SELECT pg_terminate_backend(${orphan.pid})`;
  await blockade.lift();
  await stack.start();
  await expectAllExact();
});

test("killed after the commit, before it learns of it", async () => {
  const hold = stack.postgresLink.hold("request", carries(marked));
  await publishInto(hold, "the statement");
  const statement = await hold.reached("the statement");
  const replies = stack.postgresLink.hold("reply", ({ link }) => link === statement.link);
  hold.release();
  await replies.reached("the reply of the statement");
  await killAndRestart();
  replies.cut();
  await expectAllExact();
});

test("killed between commit and trim; the trim never arrives", async () => {
  const hold = stack.redisLink.hold("request", isTrim);
  await publishInto(hold, "the trim");
  await stack.aggregators[0]?.kill();
  hold.cut();
  await stack.start();
  await expectAllExact();
});

test("killed between commit and trim; the trim arrives late", async () => {
  const hold = stack.redisLink.hold("request", isTrim);
  await publishInto(hold, "the trim");
  await stack.aggregators[0]?.kill();
  await stack.start({ BROKER_URL: stack.redis.url });
  await stack.publisher.publishStored(makeEvents(20));
  hold.release();
  await expectAllExact();
});

test("killed at random under load, eight times", async () => {
  const load = new Load(stack.publisher);
  for (let kill = 0; kill < 8; kill += 1) {
    await load.acknowledges(integer(1, 150));
    await stack.aggregators.at(-1)?.kill();
    await stack.start();
  }
  await load.acknowledges(50);
  await load.stop();
  const { rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(stack.ledger.identities.size);
});
