/** Dead letters over HTTP: looked at, repaired and replayed, deleted, and counted through all of it (P3). */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { type DeadLetterReply, DeadLetterSchema } from "@sekali/contract";
import { Value } from "@sinclair/typebox/value";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, makeEvents, type TestEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { addRawEntry } from "../harness/redis-commands.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
beforeEach(async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  await stack.start();
  await stack.publisher.publishStored(makeEvents(3));
});
afterEach(async () => await stack[Symbol.asyncDispose]());

/** Puts deliveries into the stream that no publish would take, and waits until they are dead letters. */
async function bury(text: string, deliveries: number): Promise<DeadLetterReply[]> {
  const before = (await letters()).length;
  const fields = { v: "1", n: String(deliveries), b: String(text.length), r: `1x${deliveries}`, d: text };
  const { url } = stack.redis;
  await addRawEntry({ url, prefix: stack.name, shard: 0, deliveries, fields: Object.entries(fields).flat() });
  stack.ledger.inDoubt += deliveries;
  return await eventually(async () => {
    const found = await letters();
    expect(found.length).toBeGreaterThan(before);
    return found.slice(0, found.length - before);
  });
}

async function letters(query = ""): Promise<DeadLetterReply[]> {
  const found: DeadLetterReply[] = [];
  for (let next: string | undefined = `/dead-letters?limit=2${query}`; next !== undefined; ) {
    const response: Response = await request(new URL(next, stack.url).href);
    expect(response.status).toBe(200);
    const rows = (await response.json()) as DeadLetterReply[];
    for (const row of rows) expect([row, Value.Check(DeadLetterSchema, row)]).toEqual([row, true]);
    found.push(...rows);
    next = /<([^>]*)>/.exec(response.headers.get("link") ?? "")?.[1];
  }
  return found;
}

const path = ({ shard, seq }: { shard: number; seq: number }) => `${stack.url}/dead-letters/${shard}/${seq}`;

async function show(letter: DeadLetterReply): Promise<DeadLetterReply> {
  const response = await request(path(letter));
  expect(response.status).toBe(200);
  return (await response.json()) as DeadLetterReply;
}

async function replay(letter: DeadLetterReply, body?: unknown): Promise<Response> {
  const init = { method: "POST", headers: { "content-type": "application/json" } };
  return await request(`${path(letter)}/replay`, body === undefined ? init : { ...init, body: JSON.stringify(body) });
}

async function erase(letter: DeadLetterReply): Promise<Response> {
  return await request(path(letter), { method: "DELETE" });
}

async function stats(): Promise<Record<string, unknown>> {
  return (await (await request(`${stack.url}/stats`)).json()) as Record<string, unknown>;
}

async function stored(event: TestEvent): Promise<void> {
  await eventually(async () => {
    expect(await stack.sql`SELECT FROM identities WHERE event_id = ${event.event_id}`).toHaveLength(1);
  });
}

/** Text that only Postgres refuses. */
const poison = (event: TestEvent) => JSON.stringify({ ...event, payload: { n: "N" } }).replace('"N"', "1e-20000");

test("one is shown with its reason and what was sent, and a repaired one is stored as a new delivery", async () => {
  const event = makeEvent();
  const [letter] = await bury(poison(event), 1);
  if (letter === undefined) throw new Error("no dead letter");
  expect(letter).toMatchObject({ deliveries: 1, state: "kept", resolved_at: null, bytes: poison(event).length });
  expect(letter.reason.length).toBeGreaterThan(0);
  expect((await show(letter)).raw).toBe(poison(event));
  expect(await stats()).toMatchObject({ dead_lettered: 1, dead_letters_open: 1, received: 4 });
  const response = await replay(letter, event);
  expect([response.status, await response.json()]).toEqual([200, { status: "queued", count: 1 }]);
  stack.ledger.acknowledge([event]);
  await stored(event);
  expect(await show(letter)).toMatchObject({ state: "replayed", raw: poison(event), resolved_at: expect.any(String) });
  await eventually(async () => {
    expect(await stats()).toMatchObject({ received: 5, unique_processed: 4, dead_lettered: 1, dead_letters_open: 0 });
  });
  expect((await replay(letter, event)).status).toBe(409);
  expect((await erase(letter)).status).toBe(409);
  await stack.expectExact();
});

test("one that is not repaired is refused as any publish is, and stays open", async () => {
  const [letter] = await bury(poison(makeEvent()), 1);
  if (letter === undefined) throw new Error("no dead letter");
  for (const response of [await replay(letter), await replay(letter, {}), await replay(letter, [])]) {
    expect(response.status).toBe(422);
    expect(response.headers.get("content-type")).toStartWith("application/problem+json");
  }
  expect((await replay(letter, makeEvents(2))).status).toBe(422);
  expect((await show(letter)).state).toBe("kept");
  expect(await stats()).toMatchObject({ received: 4, dead_letters_open: 1 });
  await stack.expectExact();
});

test("one that Postgres has learned to take is replayed as it is", async () => {
  const event = makeEvent();
  await bury(poison(event), 1);
  const [letter] = await letters();
  if (letter === undefined) throw new Error("no dead letter");
  // As if a former version had refused what this one takes.
  await stack.sql`UPDATE dead_letters SET raw = convert_to(${JSON.stringify(event)}, 'UTF8')`;
  expect((await replay(letter)).status).toBe(200);
  stack.ledger.acknowledge([event]);
  await stored(event);
  await stack.expectExact();
});

test("one that stands for a whole entry takes as many events as died, and no more", async () => {
  const [letter] = await bury('{"topic": nonsense', 4);
  if (letter === undefined) throw new Error("no dead letter");
  expect(letter.deliveries).toBe(4);
  expect((await replay(letter, makeEvents(5))).status).toBe(422);
  const events = makeEvents(4);
  expect((await replay(letter, events)).status).toBe(200);
  stack.ledger.acknowledge(events);
  await stack.expectExact();
  expect(await stats()).toMatchObject({ dead_lettered: 4, dead_letters_open: 0, unique_processed: 7, received: 11 });
});

test("one that is deleted keeps its place and its count, not what was sent; deleting it again changes nothing", async () => {
  await bury(`${poison(makeEvent())},${poison(makeEvent())},${poison(makeEvent())}`, 3);
  const [letter] = await letters();
  if (letter === undefined) throw new Error("no dead letter");
  expect((await erase(letter)).status).toBe(204);
  const after = await show(letter);
  expect(after).toMatchObject({ state: "deleted", bytes: null });
  expect(Object.keys(after)).not.toContain("raw");
  expect((await erase(letter)).status).toBe(204);
  expect(await show(letter)).toEqual(after);
  expect((await replay(letter, makeEvent())).status).toBe(409);
  expect((await letters("&resolved=true")).map(({ seq }) => seq)).toEqual([letter.seq]);
  const open = (await letters("&resolved=false")).map(({ seq }) => seq);
  expect(open).toEqual((await letters()).map(({ seq }) => seq).filter((seq) => seq !== letter.seq));
  expect(open).toEqual(open.toSorted((a, b) => b - a));
  expect(await stats()).toMatchObject({ dead_lettered: 3, dead_letters_open: 2 });
  await stack.expectExact();
});

test("bytes that are no text are shown in base64", async () => {
  const [letter] = await bury(poison(makeEvent()), 1);
  if (letter === undefined) throw new Error("no dead letter");
  await stack.sql`UPDATE dead_letters SET raw = '\\xff00fe'::bytea`;
  expect(await show(letter)).toMatchObject({ raw_base64: Buffer.from([255, 0, 254]).toString("base64"), bytes: 3 });
  expect((await replay(letter)).status).toBe(400);
});

test("killed between publishing and marking: it stays open, and replaying it again stores nothing twice (P2)", async () => {
  const event = makeEvent();
  const [letter] = await bury(poison(event), 1);
  if (letter === undefined) throw new Error("no dead letter");
  const hold = stack.postgresLink.hold("request", ({ text }) => text.includes("UPDATE dead_letters"));
  const attempt = replay(letter, event).catch(() => undefined);
  await hold.reached("the mark");
  await stack.aggregators[0]?.kill();
  expect(await attempt).toBeUndefined();
  hold.cut();
  stack.ledger.inDoubt += 1;
  await stack.start();
  expect((await show(letter)).state).toBe("kept");
  expect((await replay(letter, event)).status).toBe(200);
  stack.ledger.acknowledge([event]);
  const { rows } = await stack.expectExact();
  expect(rows).toMatchObject({ unique_processed: 4, duplicate_dropped: 1, dead_lettered: 1 });
});

test("of several who resolve one at once, one is counted", async () => {
  const event = makeEvent();
  const [letter] = await bury(poison(event), 1);
  if (letter === undefined) throw new Error("no dead letter");
  const replies = await Promise.all([replay(letter, event), replay(letter, event), replay(letter, event)]);
  const taken = replies.filter(({ status }) => status === 200).length;
  expect(taken).toBeGreaterThan(0);
  for (let each = 0; each < taken; each += 1) stack.ledger.acknowledge([event]);
  const { rows } = await stack.expectExact();
  expect(rows).toMatchObject({ unique_processed: 4, duplicate_dropped: taken - 1, dead_lettered: 1 });
  expect(await stats()).toMatchObject({ dead_letters_open: 0 });
});

test("what is not there, and what is not asked rightly, is told apart", async () => {
  for (const [method, where, status] of [
    ["GET", "/dead-letters/0/999", 404],
    ["GET", "/dead-letters/0/x", 404],
    ["GET", "/dead-letters/99999999999/1", 404],
    ["DELETE", "/dead-letters/7/1", 404],
    ["POST", "/dead-letters/7/1/replay", 404],
    ["PUT", "/dead-letters/7/1", 405],
    ["GET", "/dead-letters?resolved=maybe", 422],
    ["GET", "/dead-letters?topic=a", 422],
    ["GET", "/dead-letters?cursor=WyJhIl0", 422],
    ["GET", "/dead-letters?limit=0", 422],
  ] as const) {
    const response = await request(`${stack.url}${where}`, { method });
    expect([method, where, response.status]).toEqual([method, where, status]);
    expect(response.headers.get("content-type")).toStartWith("application/problem+json");
  }
});
