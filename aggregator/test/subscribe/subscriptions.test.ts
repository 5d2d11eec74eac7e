/** Durable subscriptions on a running service: definition, hand-out, acknowledgement, limits. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { Consumer } from "../harness/consumer.ts";
import { batchesOf, makeEvents, withDuplicates } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
let consumer: Consumer;

beforeEach(async () => {
  stack = await openStack();
  await stack.start();
  consumer = new Consumer(() => stack.url, "jobs");
});
afterEach(async () => await stack[Symbol.asyncDispose]());

const ids = (events: readonly { event_id: string }[]) => events.map(({ event_id }) => event_id).sort();

test("a definition is made once, repeated without effect, and never silently changed", async () => {
  expect(await consumer.make({ topic: "user.*", from: "beginning", ack_timeout_s: 5, deliveries_max: 3 })).toBe(201);
  expect(await consumer.make({ topic: "user.*", from: "beginning", ack_timeout_s: 5, deliveries_max: 3 })).toBe(200);
  expect(await consumer.make({ topic: "user.>", from: "beginning", ack_timeout_s: 5, deliveries_max: 3 })).toBe(409);
  const state = await consumer.state();
  expect(state).toMatchObject({ name: "jobs", topic: "user.*", from: "beginning", lag: 0, outstanding: 0, dead: 0 });
  const list = (await (await request(`${stack.url}/subscriptions`)).json()) as unknown[];
  expect(list).toEqual([state]);
  expect((await request(`${stack.url}/subscriptions/jobs`, { method: "DELETE" })).status).toBe(204);
  expect((await request(`${stack.url}/subscriptions/jobs`, { method: "DELETE" })).status).toBe(404);
  expect((await request(`${stack.url}/subscriptions/jobs/next`)).status).toBe(404);
  expect((await request(`${stack.url}/subscriptions/jobs/dead-letters`)).status).toBe(404);
});

test("each event that matches is handed out once while it is acknowledged, with its digits", async () => {
  const wanted = withDuplicates(300, 60, { topic: "user.auth" });
  await stack.publisher.publishAll(batchesOf([...wanted, ...makeEvents(100, { topic: "shop.cart" })], 40));
  const exact = JSON.stringify(makeEvents(1, { topic: "user.auth", payload: { n: 1 } })[0]).replace(
    '"n":1',
    '"n":12345678901234567890.10',
  );
  const headers = { "content-type": "application/json" };
  await request(`${stack.url}/publish?ack=stored`, { method: "POST", body: exact, headers });
  await consumer.make({ topic: "user.>", from: "beginning" });
  const got = await consumer.take(301, { max: 25 });
  expect(new Set(ids(got.map(({ event }) => event))).size).toBe(301);
  expect(got.every(({ delivery, event }) => delivery === 1 && event.topic === "user.auth")).toBe(true);
  expect(consumer.handed).toContain("12345678901234567890.10");
  expect(await consumer.state()).toMatchObject({ lag: 0, outstanding: 0 });
  expect(await consumer.next()).toEqual([]);
});

test("small hand-outs of one full shard leave nothing out", async () => {
  await stack.aggregators[0]?.terminate();
  await stack.start({ SHARDS: "1" });
  await consumer.make({ topic: "user.>", from: "beginning" });
  await stack.publisher.publishAll(batchesOf(makeEvents(60, { topic: "user.auth" }), 10));
  const got = await consumer.take(60, { max: 7 });
  expect(new Set(ids(got.map(({ event }) => event))).size).toBe(60);
  expect(await consumer.state()).toMatchObject({ lag: 0, outstanding: 0 });
});

test("a consumer that waits is answered when something is stored, and with nothing when its time is up", async () => {
  await consumer.make({ topic: "late.*" });
  expect(await consumer.next({ wait: 1 })).toEqual([]);
  const waiting = consumer.next({ wait: 20 });
  const event = makeEvents(1, { topic: "late.x" });
  await stack.publisher.publishStored(event);
  expect(ids((await waiting).map((leased) => leased.event))).toEqual(ids(event));
});

test("what is not acknowledged comes back; an answer that comes too late ends nobody else's lease", async () => {
  await consumer.make({ from: "beginning", ack_timeout_s: 20 });
  await stack.publisher.publishStored(makeEvents(5));
  const first = await consumer.next({ wait: 10 });
  expect(first).toHaveLength(5);
  expect(await consumer.next()).toEqual([]);
  // Their time goes by in a moment, so that it may be longer than what a busy machine needs for the rest.
  const expired = await stack.sql`
    UPDATE leases SET expires_at = expires_at - interval '20 seconds' WHERE expires_at < now() + interval '20 seconds'`;
  expect(expired.count).toBe(5);
  const second = await consumer.take(5, { acknowledge: false });
  expect(ids(second.map(({ event }) => event))).toEqual(ids(first.map(({ event }) => event)));
  expect(second.every(({ delivery }) => delivery === 2)).toBe(true);
  const late = first.map(({ ack_id }) => ack_id);
  expect(await consumer.acknowledge(late)).toEqual({ acknowledged: 0, stale: late });
  expect((await consumer.state()).outstanding).toBe(5);
  expect(await consumer.acknowledge(second.map(({ ack_id }) => ack_id))).toEqual({ acknowledged: 5, stale: [] });
  expect((await consumer.state()).outstanding).toBe(0);
});

test("nack gives back at once; past the limit an event is the subscription's own dead letter", async () => {
  await consumer.make({ from: "beginning", deliveries_max: 3, ack_timeout_s: 600 });
  const [good, bad] = makeEvents(2, { topic: "user.auth", payload: { n: 1 } });
  await stack.publisher.publishStored([good, bad] as never);
  for (let delivery = 1; delivery <= 3; delivery += 1) {
    const got = await consumer.take(delivery === 1 ? 2 : 1, { acknowledge: false });
    const [leased] = got.filter(({ event }) => event.event_id === bad?.event_id);
    expect(leased?.delivery).toBe(delivery);
    expect(await consumer.giveBack([leased?.ack_id ?? ""])).toEqual({ returned: 1, stale: [] });
    if (delivery === 1)
      await consumer.acknowledge(got.map(({ ack_id }) => ack_id).filter((id) => id !== leased?.ack_id));
  }
  expect(await consumer.next()).toEqual([]);
  const reply = await request(`${stack.url}/subscriptions/jobs/dead-letters`);
  const letters = (await reply.json()) as { deliveries: number; reason: string; event: { event_id: string } }[];
  expect(letters).toMatchObject([{ deliveries: 3, reason: "unacknowledged", event: { event_id: bad?.event_id } }]);
  expect(await consumer.state()).toMatchObject({ dead: 1, outstanding: 0, lag: 0 });
});

test("dead letters come in pages; those that retention took while they were out say so", async () => {
  await consumer.make({ from: "beginning", deliveries_max: 1, ack_timeout_s: 600 });
  await stack.publisher.publishStored(makeEvents(5));
  const got = await consumer.take(5, { acknowledge: false });
  await stack.sql`DELETE FROM events WHERE event_id = ${got[0]?.event.event_id ?? ""}`;
  await consumer.giveBack(got.map(({ ack_id }) => ack_id));
  expect(await consumer.next()).toEqual([]);
  const letters: { reason: string; event: unknown }[] = [];
  for (let path: string | undefined = "/subscriptions/jobs/dead-letters?limit=2"; path !== undefined; ) {
    const page: Response = await request(`${stack.url}${path}`);
    letters.push(...((await page.json()) as typeof letters));
    path = /<([^>]*)>/.exec(page.headers.get("link") ?? "")?.[1];
  }
  expect(letters).toHaveLength(5);
  expect(letters.filter(({ event }) => event === null).map(({ reason }) => reason)).toEqual(["expired"]);
});

test("refuses by name: bodies, names, ack ids, bounds", async () => {
  await consumer.make({});
  const put = async (name: string, body: string) => {
    const reply = await request(`${stack.url}/subscriptions/${name}`, { method: "PUT", body });
    return reply.status;
  };
  expect(await put("x", "{")).toBe(400);
  expect(await put("x", '{"topic":"a.>.b"}')).toBe(422);
  expect(await put("x", '{"from":"yesterday"}')).toBe(422);
  expect(await put("x", '{"from":"00000000~0:1"}')).toBe(422);
  expect(await put("x", '{"ack_timeout_s":0}')).toBe(422);
  expect(await put("x", '{"more":1}')).toBe(422);
  expect(await put("a%20b", "{}")).toBe(422);
  expect(await put("x", `{"topic":"${"x".repeat(200_000)}"}`)).toBe(413);
  expect((await request(`${stack.url}/subscriptions/jobs/next?max=0`)).status).toBe(422);
  expect((await request(`${stack.url}/subscriptions/jobs/next?wait=31`)).status).toBe(422);
  const ack = await request(`${stack.url}/subscriptions/jobs/ack`, { method: "POST", body: '{"ack_ids":["1-1"]}' });
  expect(ack.status).toBe(422);
  expect((await request(`${stack.url}/subscriptions/x`)).status).toBe(404);
});

test("SIGTERM answers those who wait, and holds nothing up", async () => {
  await consumer.make({});
  const waiting = consumer.next({ wait: 30 });
  await eventually(async () => expect((await consumer.state()).name).toBe("jobs"));
  expect(await stack.aggregators[0]?.terminate()).toBe(0);
  expect(await waiting).toEqual([]);
});
