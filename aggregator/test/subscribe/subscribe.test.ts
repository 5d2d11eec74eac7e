/** `GET /subscribe` on a running service: what comes, in which order, and how one comes back. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { compileTopicPattern } from "@sekali/contract";
import { useBackingServers } from "../harness/backing-servers.ts";
import { batchesOf, makeEvent, makeEvents, withDuplicates } from "../harness/event-factory.ts";
import { within } from "../harness/eventually.ts";
import { expectFollowed } from "../harness/expect-followed.ts";
import { Follower, type FollowerOptions } from "../harness/follower.ts";
import { request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
const followers: Follower[] = [];

beforeEach(async () => {
  stack = await openStack();
  await stack.start();
});
afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.stop()));
  await stack[Symbol.asyncDispose]();
});

function follow(options: FollowerOptions = {}, target = () => stack.url): Follower {
  const follower = new Follower(target, options);
  followers.push(follower);
  return follower;
}

test("what is stored from now on comes once, with its digits, as /events shows it", async () => {
  await stack.publisher.publishStored(makeEvents(20));
  const follower = await follow().opened();
  const event = makeEvent({ payload: { n: 1, text: "line\nfeed\u2028" } });
  const exact = JSON.stringify(event).replace('"n":1', '"n":12345678901234567890.10');
  const response = await request(`${stack.url}/publish?ack=stored`, {
    method: "POST",
    body: exact,
    headers: { "content-type": "application/json" },
  });
  expect(response.status).toBe(200);
  await stack.publisher.publishStored([event]);
  await follower.has(1);
  const page = await request(`${stack.url}/events?topic=${event.topic}&limit=1000`);
  const shown = (JSON.parse(await page.text()) as { event_id: string }[]).find(
    ({ event_id }) => event_id === event.event_id,
  );
  expect(follower.events).toEqual([shown as never]);
  const raw = await fetch(`${stack.url}/subscribe?from=beginning`);
  const reader = raw.body?.getReader();
  let text = "";
  while (reader !== undefined && !text.includes(event.event_id)) {
    text += new TextDecoder().decode((await within(reader.read(), 10_000, "a chunk")).value);
  }
  await reader?.cancel();
  expect(text).toContain("12345678901234567890.10");
  expect(raw.headers.get("content-type")).toBe("text/event-stream");
});

test("a subscriber from the beginning gets all that was stored, then what comes, in the order of each shard", async () => {
  await stack.publisher.publishAll(batchesOf(withDuplicates(3_000, 500), 100));
  const follower = follow({ from: "beginning" });
  await stack.publisher.publishAll(batchesOf(withDuplicates(1_000, 200), 50));
  await stack.expectExact();
  await follower.has(4_000);
  await expectFollowed(stack.sql, follower);
});

test("patterns: one token, the rest, a topic by its name", async () => {
  const patterns = ["user.*", "user.>", "user.auth", "*.auth", ">"];
  const early = makeEvents(40, { topic: "user.auth" });
  await stack.publisher.publishStored(early);
  const before = patterns.map((topic) => follow({ topic, from: "beginning" }));
  const tails = await Promise.all(patterns.map((topic) => follow({ topic }).opened()));
  const topics = ["user", "user.auth", "user.auth.login", "userXauth", "shop.auth", "shop.[a-z]+"];
  const late = topics.flatMap((topic) => makeEvents(5, { topic }));
  await stack.publisher.publishAll(batchesOf(late, 7));
  await stack.expectExact();
  for (const [index, pattern] of patterns.entries()) {
    const matches = compileTopicPattern(pattern);
    const count = late.filter(({ topic }) => matches(topic)).length;
    await tails[index]?.has(count);
    await before[index]?.has(count + early.filter(({ topic }) => matches(topic)).length);
    await expectFollowed(stack.sql, before[index] as Follower, matches);
    expect(tails[index]?.events.every(({ topic }) => matches(topic))).toBe(true);
  }
});

test("from a time of arrival comes what arrived then or later", async () => {
  await stack.publisher.publishStored(makeEvents(300));
  const [row] = await stack.sql`SELECT to_json(clock_timestamp()) #>> '{}' AS now`;
  const later = makeEvents(50);
  await stack.publisher.publishStored(later);
  const follower = follow({ from: String(row?.["now"]) });
  await follower.has(50);
  expect(follower.events.map(({ event_id }) => event_id).sort()).toEqual(later.map((e) => e.event_id).sort());
  const all = follow({ from: "2001-01-01T00:00:00Z" });
  await all.has(350);
  expect(all.events).toHaveLength(350);
});

test("whoever comes back with the last id, in the header or as from, misses and repeats nothing", async () => {
  const first = await follow({ from: "beginning" }).opened();
  await stack.publisher.publishStored(makeEvents(100));
  await first.has(100);
  await first.stop();
  const missed = makeEvents(60);
  await stack.publisher.publishStored(missed);
  const { lastId } = first;
  for (const options of [{ lastId: lastId ?? "" }, { from: lastId ?? "" }]) {
    const second = follow(options);
    await second.has(60);
    expect(second.events.map(({ event_id }) => event_id).sort()).toEqual(missed.map((e) => e.event_id).sort());
  }
});

test("refuses by name: patterns, starts, cursors of others or of the future, parameters, methods", async () => {
  const [{ id } = {}] = await stack.sql`SELECT id::text AS id FROM installation`;
  const own = String(id).slice(0, 8);
  const refused = async (query: string, headers: Record<string, string> = {}) => {
    const response = await request(`${stack.url}/subscribe?${query}`, { headers });
    return [response.status, ((await response.json()) as { type: string }).type];
  };
  const unacceptable = [422, "urn:sekali:problem:unacceptable"];
  expect(await refused("topic=user.>.x")).toEqual(unacceptable);
  expect(await refused("from=yesterday")).toEqual(unacceptable);
  expect(await refused("from=2025-02-30T00:00:00Z")).toEqual(unacceptable);
  expect(await refused("since=1h")).toEqual(unacceptable);
  expect(await refused("", { "last-event-id": "17" })).toEqual(unacceptable);
  expect(await refused("", { "last-event-id": "00000000~0:1" })).toEqual(unacceptable);
  expect(await refused("", { "last-event-id": `${own}~0:zzzzz` })).toEqual(unacceptable);
  const post = await request(`${stack.url}/subscribe`, { method: "POST" });
  expect([post.status, post.headers.get("allow")]).toEqual([405, "GET, HEAD, OPTIONS"]);
  const head = await request(`${stack.url}/subscribe`, { method: "HEAD" });
  expect([head.status, head.headers.get("content-type")]).toEqual([200, "text/event-stream"]);
});

test("events that retention has taken: 410 for a cursor before them, and the beginning is after them", async () => {
  const first = follow({ from: "beginning" });
  await stack.publisher.publishStored(makeEvents(10));
  await first.has(10);
  const [early] = first.connections[0] ?? [];
  expect(early).toBeDefined();
  const [{ id } = {}] = await stack.sql`SELECT id::text AS id FROM installation`;
  const start = `${String(id).slice(0, 8)}~`;
  await stack.sql`INSERT INTO partitions VALUES ('events_from_old', '2001-01-01', '2001-02-01')`;
  await stack.sql`CREATE TABLE events_from_old PARTITION OF events FOR VALUES FROM ('2001-01-01') TO ('2001-02-01')`;
  await stack.sql`UPDATE events SET received_at = '2001-01-02'`;
  await stack.sql.begin(async (sql) => {
    await sql`SELECT note_horizons(30)`;
    await sql`SELECT drop_expired_partitions(30)`;
  });
  const response = await request(`${stack.url}/subscribe`, { headers: { "last-event-id": start } });
  expect([response.status, ((await response.json()) as { type: string }).type]).toEqual([
    410,
    "urn:sekali:problem:expired",
  ]);
  const kept = makeEvents(5);
  await stack.publisher.publishStored(kept);
  const second = follow({ from: "beginning" });
  await second.has(5);
  expect(second.events).toHaveLength(5);
  await first.has(15);
});

test("so many subscribers and no more; a place that is left is free again", async () => {
  await stack.aggregators[0]?.kill();
  await stack.start({ SUBSCRIBERS_MAX: "2" });
  const two = [await follow().opened(), await follow().opened()];
  const third = follow();
  await third.ended;
  expect(third.refusals.map(({ status }) => status)).toEqual([503]);
  await two[0]?.stop();
  await follow({ returns: true }).opened();
});

test("SIGTERM ends each stream with the cursor to come back with, and holds nothing up", async () => {
  const idle = await follow({ topic: "nothing.matches" }).opened();
  const busy = await follow({ from: "beginning" }).opened();
  await stack.publisher.publishStored(makeEvents(30));
  await busy.has(30);
  const [first] = stack.aggregators;
  expect(await first?.terminate()).toBe(0);
  for (const follower of [idle, busy]) {
    await within(follower.ended, 5_000, "the end of the stream");
    expect(follower.ends).toEqual([{ reason: "draining", cursor: follower.lastId ?? "" }]);
  }
  await stack.start();
  const missed = makeEvents(10, { topic: "nothing.matches" });
  await stack.publisher.publishStored(missed);
  const back = follow({ lastId: idle.lastId ?? "" });
  await back.has(10);
  expect(back.events).toHaveLength(10);
});
