/**
 * What the contract accepts, the store keeps, and `events` gives back as it was: JSON values with exact decimals, the
 * same instant, the UUID in lower case. The events are drawn by the contract's own generator.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type Event, type EventRecord, parsePublishBody } from "@sekali/contract";
import fc from "fast-check";
import { contractArbitraries } from "../harness/arbitraries.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { canonicalJson } from "../harness/canonical-json.ts";
import { type Essence, essenceOf, instantOf } from "../harness/essence.ts";
import { makeEvent } from "../harness/event-factory.ts";
import { openSchema, type Schema } from "./schema.ts";

let schema: Schema;
// Hooks run in the order in which they are given: the schema goes before the server that it is in.
afterAll(async () => await schema[Symbol.asyncDispose]());
useBackingServers();
beforeAll(async () => {
  schema = await openSchema();
  await schema.takeUp(0);
});

/** The way of a request's body, without the queue; gives the records back by identity. */
async function passThrough(body: string): Promise<Map<string, Essence>> {
  const parsed = parsePublishBody(new TextEncoder().encode(body), { batchEventsMax: 1000 });
  if (!parsed.ok) throw new Error(`refused: ${JSON.stringify(parsed)}`);
  await schema.sql`TRUNCATE identities, events, counters`;
  const from = await schema.standing(0);
  const count = parsed.events.length;
  const stored = await schema.batches.storeBatch(
    {
      shard: 0,
      from,
      to: { epoch: from.epoch, seq: from.seq + count },
      text: parsed.text,
      deliveries: count,
      seqs: undefined,
      deadLetters: [],
    },
    { dropped: 0, kept: 0, conflicting: 0 },
  );
  expect(stored).toMatchObject({ unique: count });
  const page = await schema.page({});
  return new Map(
    page.rows.map((row) => {
      const record = JSON.parse(row) as EventRecord;
      return [`${record.topic} ${record.event_id}`, essenceOf(row)];
    }),
  );
}

const identityOf = (event: Event) => `${event.topic} ${event.event_id.toLowerCase()}`;

test("whatever the contract's generator draws is accepted, stored, and comes back equal", async () => {
  const batches = fc.uniqueArray((await contractArbitraries()).validEvent, {
    minLength: 1,
    maxLength: 30,
    selector: identityOf,
  });
  await fc.assert(
    fc.asyncProperty(batches, async (events) => {
      const found = await passThrough(JSON.stringify(events));
      const expected = events.map((event) => [identityOf(event), essenceOf(JSON.stringify(event))] as const);
      expect(found).toEqual(new Map(expected));
    }),
    { numRuns: 60 },
  );
});

describe("what no generator of JavaScript values draws", () => {
  const HUGE = `${"1234567890".repeat(100)}`;
  const nested = `${'{"a":'.repeat(63)}{}${"}".repeat(63)}`;

  test.each([
    ["a number of 1000 digits", `{"n":${HUGE}}`],
    ["decimals beyond a double", '{"n":[0.1000000000000000055511151231257827, 9007199254740993, -1.10]}'],
    ["the largest exponents", '{"n":[1e308, 1E+308, 9.99e-308, -1e-308, 0e-308]}'],
    ["duplicate keys", '{"a":1,"b":{"c":1,"c":[2]},"a":{"z":3}}'],
    ["keys that JavaScript knows", '{"__proto__":{"x":1},"constructor":2,"toString":[],"":0}'],
    ["64 levels", nested],
    ["escapes", String.raw`{"\u0061\n\"\\":"\u001f\ud83d\ude42 \/ \u2028 \u007f"}`],
    ["characters that other programs stumble over", '{"a":"\u2028\u0085\ufeff\u00a0🙂é\u0301"}'],
    ["white space everywhere", ' {\n"a" :\t[ 1 , { } ,\r\n"b" ] } '],
    ["an empty object", "{}"],
  ])("%s", async (_name, payload) => {
    const event = makeEvent({ topic: "raw" });
    const { payload: _none, ...rest } = event;
    const text = `${JSON.stringify(rest).slice(0, -1)},"payload":${payload}}`;
    const found = await passThrough(` [ ${text} ] `);
    expect([...found.values()]).toEqual([essenceOf(text)]);
  });

  test.each([
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"],
    ["9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"],
    ["2026-01-31 23:59", "2026-01-31T23:59:00Z"],
    ["2026-01-31t23:59:59.1-15:59", "2026-02-01T15:58:59.1Z"],
    ["2024-02-29T00:00:00.000001+14", "2024-02-28T10:00:00.000001Z"],
  ])("the timestamp %s", async (timestamp, expected) => {
    const found = await passThrough(JSON.stringify(makeEvent({ timestamp })));
    expect([...found.values()]).toMatchObject([{ instant: instantOf(expected) }]);
    const [row] = (await schema.page({ limit: 1 })).rows;
    expect(row).toContain(`"timestamp":"${expected}"`);
  });

  test("names of 255 characters of four bytes each", async () => {
    const topic = "🙂".repeat(255);
    const source = "𝄞".repeat(255);
    const found = await passThrough(JSON.stringify(makeEvent({ topic, source })));
    expect([...found.values()]).toMatchObject([{ topic, source }]);
  });
});

describe("the comparison itself", () => {
  test.each([
    ['{"n":1.10}', '{"n":1.1}'],
    ['{"n":100}', '{"n":1e2}'],
    ['{"n":-0.0}', '{"n":0}'],
    ['{"a":1,"b":2}', '{"b":2,"a":1}'],
    ['{"a":1,"a":2}', '{"a":2}'],
  ])("finds %s and %s equal", (a, b) => {
    expect(canonicalJson(a)).toBe(canonicalJson(b));
  });

  test.each([
    ['{"n":9007199254740993}', '{"n":9007199254740992}'],
    ['{"n":1}', '{"n":"1"}'],
    ['{"n":1}', '{"n":-1}'],
    ['{"n":1}', '{"n":10}'],
    ["{}", "[]"],
    ['{"__proto__":1}', "{}"],
  ])("finds %s and %s different", (a, b) => {
    expect(canonicalJson(a)).not.toBe(canonicalJson(b));
  });
});
