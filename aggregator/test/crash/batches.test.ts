/** What a batch may hold and meet: itself twice, its reverse, poison, a full queue. */
import { afterEach, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { type Blockade, blockInserts } from "../harness/blockade.ts";
import { count } from "../harness/database.ts";
import { batchesOf, makeEvent, makeEvents, shuffled, type TestEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { Publisher, post } from "../harness/http-client.ts";
import { addRawEntry } from "../harness/redis-commands.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
let blockade: Blockade | undefined;
afterEach(async () => {
  await blockade?.lift();
  blockade = undefined;
  await stack[Symbol.asyncDispose]();
});

async function deadlocks(): Promise<number> {
  const [row] = await stack.sql`SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()`;
  return count(row?.["deadlocks"]);
}

test("overlapping batches in opposite orders do not deadlock (P2)", async () => {
  stack = await openStack({ env: { SHARDS: "4", WORKERS: "4" } });
  await Promise.all([stack.start(), stack.start()]);
  const before = await deadlocks();
  for (let round = 0; round < 4; round += 1) {
    const events = makeEvents(1_500);
    const orders = [events, events.toReversed(), shuffled(events), shuffled(events).toReversed()];
    // A busy machine may answer 503; to try again is what a publisher does, and only makes more duplicates.
    const publishers = stack.aggregators.map(({ url }) => new Publisher(() => url, stack.ledger));
    await Promise.all([...orders, ...orders].map((order, index) => publishers[index % 2]?.publish(order)));
  }
  const { rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(6_000);
  expect(rows.duplicate_dropped).toBeGreaterThanOrEqual(42_000);
  // A backend reports its statistics when it has been idle for a moment; its end makes it report at once.
  for (const aggregator of stack.aggregators) expect(await aggregator.terminate()).toBe(0);
  await stack.sql`SELECT pg_stat_clear_snapshot()`;
  expect(await deadlocks()).toBe(before);
});

test("the first of several deliveries in a batch wins, whatever its neighbours are (P2)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  await stack.start();
  const events = makeEvents(300);
  const versions = shuffled(
    [1, 2, 3].flatMap((version) => events.map((event) => ({ ...event, payload: { version } }))),
  );
  const reply = await stack.publisher.publishStored(versions);
  const seen = new Set<string>();
  const expected = versions.map(({ event_id }) => {
    const verdict = seen.has(event_id) ? "duplicate" : "stored";
    seen.add(event_id);
    return verdict;
  });
  expect(reply.results).toEqual(expected as typeof reply.results);
  const first = new Map(versions.toReversed().map(({ event_id, payload }) => [event_id, payload.version]));
  const rows = await stack.sql<{ event_id: string; version: number }[]>`
    SELECT event_id, (payload->>'version')::int AS version FROM events`;
  expect(new Map(rows.map(({ event_id, version }) => [event_id, version]))).toEqual(first);
  await stack.expectExact();
});

const json = (events: readonly unknown[]) => JSON.stringify(events).slice(1, -1);

/** An entry's fields; `bytes` is the running sum of the epoch, which nothing here depends on. */
function entry(text: string, deliveries: number, over: Record<string, string> = {}): string[] {
  const fields = { v: "1", n: String(deliveries), b: String(text.length), r: `1x${deliveries}`, d: text, ...over };
  return Object.entries(fields).flat();
}

interface Poison {
  readonly name: string;
  readonly deliveries: number;
  readonly dead: number;
  /** Given good events to surround the poison with, as many as survive. */
  fields(good: readonly TestEvent[]): string[];
}

const bad = (over: Record<string, unknown>) => ({ ...makeEvent(), ...over });

const poisons: Poison[] = [
  {
    name: "a number that only Postgres refuses",
    deliveries: 3,
    dead: 1,
    fields: ([a, b]) =>
      entry(`${json([a])},${json([bad({ payload: { n: "N" } })]).replace('"N"', "1e-20000")},${json([b])}`, 3),
  },
  {
    name: "NUL in a string",
    deliveries: 3,
    dead: 1,
    fields: ([a, b]) => entry(`${json([bad({ payload: { nul: "\u0000" } })])},${json([a, b])}`, 3),
  },
  {
    name: "wrong types, a missing field, a timestamp that is none",
    deliveries: 6,
    dead: 4,
    fields: ([a, b]) =>
      entry(json([a, bad({ payload: [] }), bad({ event_id: "no" }), { topic: "x" }, bad({ timestamp: "soon" }), b]), 6),
  },
  {
    name: "names that are too long",
    deliveries: 3,
    dead: 2,
    fields: ([a]) => entry(json([bad({ topic: "t".repeat(300) }), a, bad({ source: "s".repeat(300) })]), 3),
  },
  { name: "text that is no JSON", deliveries: 4, dead: 4, fields: () => entry('{"topic": nonsense', 4) },
  { name: "fewer events than announced", deliveries: 5, dead: 5, fields: () => entry(json(makeEvents(3)), 5) },
  { name: "a format of the future", deliveries: 2, dead: 2, fields: () => entry(json(makeEvents(2)), 2, { v: "99" }) },
  { name: "no known field at all", deliveries: 1, dead: 1, fields: () => ["surprise", "1"] },
];

test.each(poisons.map((poison) => [poison.name, poison] as const))(
  "poison in the stream (%s) is kept as a dead letter and does not stop its shard (P3, P4)",
  async (_, poison) => {
    stack = await openStack({ env: { SHARDS: "1" } });
    const api = await stack.start({ ROLES: "api" });
    const good = makeEvents(poison.deliveries - poison.dead);
    await stack.publisher.publish(makeEvents(10));
    const { url } = stack.redis;
    const { deliveries, dead } = poison;
    await addRawEntry({ url, prefix: stack.name, shard: 0, deliveries, fields: poison.fields(good) });
    await stack.publisher.publish(makeEvents(10));
    await api.terminate();
    await stack.start();
    stack.watchStats();
    stack.ledger.acknowledge(good);
    stack.ledger.inDoubt += dead;
    await stack.publisher.publishStored(makeEvents(5));
    const { stats, rows } = await stack.expectExact();
    expect(rows).toMatchObject({ unique_processed: 25 + good.length, dead_lettered: dead });
    expect(stats).toMatchObject({ dead_lettered: dead, lost: 0 });
    expect(stats.topics).not.toContain("");
    const letters = await stack.sql`SELECT reason, sqlstate, raw FROM dead_letters`;
    expect(letters.every((letter) => String(letter["reason"]).length > 0)).toBe(true);
    expect(letters.every((letter) => Buffer.from(letter["raw"] as Uint8Array).length > 0)).toBe(true);
  },
);

test("poison among thousands of deliveries takes only itself (P3)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  const api = await stack.start({ ROLES: "api" });
  const good = makeEvents(3_000);
  await stack.publisher.publishAll(batchesOf(good.slice(0, 2_000), 500), { lanes: 1 });
  const spoilt = json([...good.slice(2_000), bad({ timestamp: "soon" })]);
  const { url } = stack.redis;
  await addRawEntry({ url, prefix: stack.name, shard: 0, deliveries: 1_001, fields: entry(spoilt, 1_001) });
  stack.ledger.acknowledge(good.slice(2_000));
  stack.ledger.inDoubt += 1;
  await api.terminate();
  await stack.start();
  const { rows } = await stack.expectExact();
  expect(rows).toMatchObject({ unique_processed: 3_000, dead_lettered: 1 });
});

const FULL = { SHARDS: "2", BATCH_EVENTS_MAX: "100", QUEUE_EVENTS_MAX: "300" };

test("a full queue answers 503 with Retry-After and loses nothing (P4)", async () => {
  stack = await openStack({ env: FULL });
  await stack.start();
  stack.watchStats();
  blockade = await blockInserts(stack.sql);
  const waiting = batchesOf(makeEvents(1_000), 50);
  const refused: TestEvent[][] = [];
  let retryAfter: string | null = null;
  for (const batch of waiting) {
    const response = await post(`${stack.url}/publish`, batch);
    if (response.status === 200) stack.ledger.acknowledge(batch);
    else {
      expect(response.status).toBe(503);
      retryAfter = response.headers.get("retry-after");
      refused.push(batch);
    }
  }
  expect(Number(retryAfter)).toBeGreaterThan(0);
  expect(refused.length).toBeGreaterThanOrEqual(14);
  expect(stack.ledger.acknowledged).toBeGreaterThanOrEqual(200);
  await blockade.lift();
  await stack.publisher.publishAll(refused);
  const { stats } = await stack.expectExact();
  expect(stats).toMatchObject({ unique_processed: 1_000, duplicate_dropped: 0, lost: 0 });
});

test("a queue that is full of bytes answers 503 and loses nothing (P4)", async () => {
  stack = await openStack({ env: { SHARDS: "1", BODY_BYTES_MAX: "200000", QUEUE_BYTES_MAX: "400000" } });
  const api = await stack.start({ ROLES: "api" });
  const batches = batchesOf(makeEvents(8, { payload: { filler: "x".repeat(90_000) } }), 1);
  const outcomes = [];
  for (const batch of batches) outcomes.push((await stack.publisher.attempt(batch)).taken);
  expect(outcomes).toEqual([true, true, true, true, false, false, false, false]);
  await stack.start({ ROLES: "worker" });
  await eventually(async () => expect((await stack.publisher.attempt(batches[4] ?? [])).taken).toBe(true));
  await api.ready();
  await stack.publisher.publishAll(batches.slice(5));
  const { rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(8);
});

test("the number of topics is bounded, and the bound refuses new topics only (P4)", async () => {
  stack = await openStack({ env: { TOPICS_MAX: "3" } });
  await stack.start();
  for (const topic of ["a", "b", "c"]) await stack.publisher.publishStored([makeEvent({ topic })]);
  const response = await post(`${stack.url}/publish`, makeEvent({ topic: "d" }));
  expect(response.status).toBeGreaterThanOrEqual(400);
  expect(response.status).toBeLessThan(500);
  expect((await stack.publisher.publishStored([makeEvent({ topic: "a" })])).results).toEqual(["stored"]);
  const { stats } = await stack.expectExact();
  expect([...stats.topics].sort()).toEqual(["a", "b", "c"]);
});
