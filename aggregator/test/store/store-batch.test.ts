/** The one transaction of a batch: what it keeps, what it counts, and when it changes nothing. */
import { describe, expect, test } from "bun:test";
import { type DeadLetter, type Standing, Unstorable } from "../../src/store/port.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, makeEvents, shuffled, type TestEvent } from "../harness/event-factory.ts";
import { openSchema, type Schema } from "./schema.ts";

useBackingServers();

async function payloads(schema: Schema): Promise<Record<string, unknown>> {
  const rows = await schema.sql`SELECT topic, payload FROM events`;
  return Object.fromEntries(rows.map((row) => [String(row["topic"]), row["payload"]]));
}

async function counters(schema: Schema): Promise<Record<string, number[]>> {
  const { topics } = await schema.events.tally();
  return Object.fromEntries(
    [...topics].map(([topic, count]) => [
      topic,
      [count.unique_processed, count.duplicate_dropped, count.dead_lettered],
    ]),
  );
}

describe("of several deliveries of one identity (P2)", () => {
  test("in one batch the first wins, with its content", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const event = makeEvent({ topic: "a", payload: { n: 1 } });
    const others = makeEvents(40);
    const again = Array.from({ length: 20 }, (_, n) => ({ ...event, payload: { n: n + 2 }, source: `later-${n}` }));
    const stored = await schema.deliver(0, [
      ...others.slice(0, 20),
      event,
      ...shuffled([...others.slice(20), ...again]),
    ]);
    expect(stored).toMatchObject({ unique: 41, duplicates: 20 });
    const [row] = await schema.sql`
      SELECT e.payload, e.source, e.seq = 21 AND i.seq = 21 AS won
      FROM events e JOIN identities i USING (event_id, topic) WHERE e.event_id = ${event.event_id}`;
    expect(row).toEqual({ payload: { n: 1 }, source: event.source, won: true });
  });

  test("in several batches the first that was committed wins, whatever the case of its UUID", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    await schema.takeUp(1);
    const event = makeEvent({ topic: "a", payload: { n: 1 } });
    await schema.deliver(0, [event]);
    expect(await schema.deliver(0, [{ ...event, payload: { n: 2 } }])).toMatchObject({ unique: 0, duplicates: 1 });
    const upper = { ...event, event_id: event.event_id.toUpperCase(), payload: { n: 3 } };
    expect(await schema.deliver(1, [upper])).toMatchObject({ unique: 0, duplicates: 1 });
    expect(await payloads(schema)).toEqual({ a: { n: 1 } });
    expect(await schema.sql`SELECT event_id FROM identities`).toMatchObject([{ event_id: event.event_id }]);
  });

  test("on another topic it is another event", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const event = makeEvent();
    const topics = ["a", "A", "a.b"];
    const deliveries = topics.map((topic) => ({ ...event, topic, payload: { topic } }));
    expect(await schema.deliver(0, deliveries)).toMatchObject({ unique: 3, duplicates: 0 });
    expect(await payloads(schema)).toEqual(Object.fromEntries(topics.map((topic) => [topic, { topic }])));
  });

  test("in concurrent batches of different orders exactly one wins, and none waits for ever", async () => {
    await using schema = await openSchema();
    for (const shard of [0, 1, 2, 3]) await schema.takeUp(shard);
    let unique = 0;
    for (let round = 0; round < 8; round += 1) {
      const events = makeEvents(300, { topic: "a" });
      const stored = await Promise.all([0, 1, 2, 3].map((shard) => schema.deliver(shard, shuffled(events))));
      unique += stored.reduce((total, each) => total + (each?.unique ?? 0), 0);
    }
    expect(unique).toBe(8 * 300);
    expect(await counters(schema)).toEqual({ a: [8 * 300, 3 * 8 * 300, 0] });
    expect(await schema.events.recount()).toMatchObject({ identities: 2400, events: 2400, strayEvents: 0 });
  });
});

describe("what is counted (P3)", () => {
  const letters: DeadLetter[] = [
    { seq: 5, deliveries: 1, sqlstate: "22P02", reason: 'bad "quotes" \\ and ü', raw: '{"é":"\\u0000"}' },
    { seq: 8, deliveries: 3, sqlstate: "22021", reason: "torn", raw: "[[[" },
  ];

  test("is each delivery once, by topic, and the position is their sum", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const [a, b] = [makeEvent({ topic: "a" }), makeEvent({ topic: "b" })];
    await schema.deliver(0, [a, b, a, a], { deadLetters: letters });
    await schema.deliver(0, [b]);
    expect(await counters(schema)).toEqual({ "": [0, 0, 4], a: [1, 2, 0], b: [1, 1, 0] });
    const [shard] = (await schema.events.recount()).shards;
    expect(shard).toMatchObject({ position: { seq: 9 }, counted: 9, lostInGaps: 0 });
  });

  test("are dead letters too, and they are kept with their bytes and reason", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    await schema.deliver(0, makeEvents(4), { deadLetters: letters });
    const rows = await schema.sql`
      SELECT seq::int, deliveries::int, sqlstate, reason, convert_from(raw, 'UTF8') AS raw
      FROM dead_letters ORDER BY seq`;
    expect([...rows]).toEqual(letters.map((letter) => ({ ...letter })));
  });

  test("is dead letters alone where nothing survives", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const dead = [{ seq: 2, deliveries: 2, sqlstate: "22021", reason: "torn", raw: "?" }];
    expect(await schema.deliver(0, [], { deadLetters: dead })).toMatchObject({ unique: 0, duplicates: 0 });
    expect(await counters(schema)).toEqual({ "": [0, 0, 2] });
    expect((await schema.standing(0)).seq).toBe(2);
  });

  test("keeps the place of each delivery where they do not follow on", async () => {
    await using schema = await openSchema();
    const from = await schema.takeUp(0);
    const events = makeEvents(3);
    await schema.batches.storeBatch(
      {
        shard: 0,
        from,
        to: { epoch: 0, seq: 9 },
        text: events.map((event) => JSON.stringify(event)).join(","),
        deliveries: 3,
        seqs: [2, 5, 9],
        deadLetters: [],
      },
      { dropped: 0, kept: 0, conflicting: 0 },
    );
    const rows = await schema.sql`SELECT event_id, seq::int FROM identities ORDER BY seq`;
    expect([...rows]).toEqual([2, 5, 9].map((seq, index) => ({ event_id: events[index]?.event_id, seq })));
    expect(await schema.sql`SELECT FROM events e JOIN identities i USING (event_id, topic, shard, seq)`).toHaveLength(
      3,
    );
  });

  test("is named as far as the log has room", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const events = makeEvents(5, { topic: "a" });
    const named = (event: TestEvent | undefined) => ({
      topic: event?.topic,
      event_id: event?.event_id,
      source: event?.source,
    });
    const stored = await schema.deliver(0, [...events, ...events], { naming: { dropped: 3, kept: 2, conflicting: 0 } });
    expect([stored?.dropped.length, stored?.kept.length]).toEqual([3, 2]);
    expect(events.map(named)).toContainEqual(named(stored?.kept[0] as TestEvent));
    const none = await schema.deliver(0, events, { naming: { dropped: 0, kept: 0, conflicting: 0 } });
    expect(none).toMatchObject({ unique: 0, duplicates: 5, dropped: [], kept: [] });
  });
});

describe("a batch changes nothing", () => {
  test.each([
    ["from an older position", (now: Standing) => ({ ...now, seq: now.seq - 1 })],
    ["from a later position", (now: Standing) => ({ ...now, seq: now.seq + 1 })],
    ["from another epoch", (now: Standing) => ({ ...now, epoch: now.epoch + 1 })],
    ["from before the shard was taken up again", (now: Standing) => ({ ...now, fence: now.fence - 1 })],
  ])("%s", async (_name, guess) => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    await schema.deliver(0, makeEvents(3));
    const before = await schema.content();
    const letter = { seq: 9, deliveries: 1, sqlstate: "22P02", reason: "bad", raw: "?" };
    const from = guess(await schema.standing(0));
    expect(await schema.deliver(0, makeEvents(2), { from, deadLetters: [letter] })).toBeUndefined();
    expect(await schema.content()).toEqual(before);
  });

  test("of a shard that Postgres does not know", async () => {
    await using schema = await openSchema();
    const before = await schema.content();
    expect(
      await schema.deliver(7, makeEvents(1), { from: { epoch: 0, seq: 0, fence: 0, issuedEpoch: 0 } }),
    ).toBeUndefined();
    expect(await schema.content()).toEqual(before);
  });

  test("while another worker holds the shard, and does not wait for it", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    await using holder = await schema.hold("SELECT FROM positions WHERE shard = 0 FOR UPDATE");
    const before = await schema.content();
    expect(await schema.deliver(0, makeEvents(2))).toBeUndefined();
    expect(await schema.content()).toEqual(before);
    await holder[Symbol.asyncDispose]();
    expect(await schema.deliver(0, makeEvents(2))).toMatchObject({ unique: 2 });
  });

  test.each([
    ["announces more than it holds", 3],
    ["announces fewer than it holds", 1],
  ])("that %s: the data are at fault", async (_name, announced) => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const before = await schema.content();
    const outcome: unknown = await schema.deliver(0, makeEvents(2), { announced }).catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(Unstorable);
    expect(String(outcome)).toContain("22000");
    expect(await schema.content()).toEqual(before);
  });
});

describe("gaps", () => {
  test("move the position and are written down in one step, and P3 still adds up", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    await schema.deliver(0, makeEvents(2));
    const from = await schema.standing(0);
    expect(await schema.batches.skipGap(0, from, { epoch: 0, seq: 7 })).toBe(true);
    await schema.deliver(0, makeEvents(1));
    const recount = await schema.events.recount();
    expect(recount.shards).toMatchObject([{ position: { seq: 8 }, counted: 3, lostInGaps: 5 }]);
    expect((await schema.events.tally()).lost).toBe(5);
  });

  test("are not skipped from where the shard does not stand any more", async () => {
    await using schema = await openSchema();
    const from = await schema.takeUp(0);
    await schema.takeUp(0);
    const before = await schema.content();
    expect(await schema.batches.skipGap(0, from, { epoch: 0, seq: 7 })).toBe(false);
    expect(await schema.content()).toEqual(before);
  });
});
