/** `GET /topics` and `GET /events/{topic}/{event_id}`. */
import { expect, test } from "bun:test";
import { type EventDetail, EventDetailSchema, type TopicRecord, TopicRecordSchema } from "@sekali/contract";
import { Value } from "@sinclair/typebox/value";
import { freshTopic, makeEvent, makeEvents, uuid } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { expectProblem, useTarget } from "./target.ts";

const target = useTarget();

async function topics(query: string): Promise<{ records: TopicRecord[]; next: string | undefined }> {
  const response = await request(`${target.url}${query.startsWith("/") ? query : `/topics?${query}`}`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  const records = (await response.json()) as TopicRecord[];
  for (const record of records) expect(Value.Errors(TopicRecordSchema, record).First()).toBeUndefined();
  return { records, next: /<([^>]*)>/.exec(response.headers.get("link") ?? "")?.[1] };
}

const pathOf = (topic: string, eventId: string) => `/events/${encodeURIComponent(topic)}/${eventId}`;

async function detail(topic: string, eventId: string): Promise<EventDetail> {
  const response = await request(`${target.url}${pathOf(topic, eventId)}`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/json");
  const found = (await response.json()) as EventDetail;
  expect(Value.Errors(EventDetailSchema, found).First()).toBeUndefined();
  return found;
}

test("each topic shows its counts, and its first and last timestamp to the microsecond", async () => {
  const root = freshTopic();
  const stamps = ["2001-01-01T00:00:00.000001Z", "2025-06-01T12:00:00+01:00", "2001-01-01T00:00:00.000002Z"];
  const events = stamps.map((timestamp) => makeEvent({ topic: `${root}.a`, timestamp }));
  const other = makeEvent({ topic: `${root}.b.c` });
  await target.publisher.publishStored([...events, other]);
  await target.publisher.publishStored([...events.slice(0, 2), other]);
  const { records } = await topics(`topic=${encodeURIComponent(`${root}.>`)}`);
  expect(records.map(({ topic }) => topic)).toEqual([`${root}.a`, `${root}.b.c`]);
  expect(records[0]).toMatchObject({
    unique_processed: 3,
    duplicate_dropped: 2,
    first_timestamp: "2001-01-01T00:00:00.000001Z",
    last_timestamp: "2025-06-01T11:00:00Z",
  });
  expect((await topics(`topic=${root}.*`)).records).toHaveLength(1);
  expect((await topics(`topic=${root}`)).records).toEqual([]);
});

test("topics come in pages, where less is asked for", async () => {
  const root = freshTopic();
  const names = ["a", "b.c", "é", "\u{1f600}", "\uffee"].map((name) => `${root}.${name}`);
  await target.publisher.publishStored(names.map((topic) => makeEvent({ topic })));
  const seen: string[] = [];
  for (let next: string | undefined = `topic=${encodeURIComponent(`${root}.>`)}&limit=2`; next !== undefined; ) {
    const page = await topics(next);
    expect(page.records.length).toBeLessThanOrEqual(2);
    seen.push(...page.records.map(({ topic }) => topic));
    next = page.next;
  }
  expect(seen).toEqual(names.toSorted((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b))));
});

test("a rate shows what was stored while somebody looked", async () => {
  const topic = freshTopic();
  await topics(`topic=${topic}`);
  await target.publisher.publishStored(makeEvents(100, { topic }));
  const rate = await eventually(
    async () => {
      const [record] = (await topics(`topic=${topic}`)).records;
      expect(record?.rate ?? 0).toBeGreaterThan(0);
      return record?.rate ?? 0;
    },
    { what: `a rate of ${topic}` },
  );
  expect(rate).toBeLessThanOrEqual(100);
});

test("an event is shown as it was sent, with when it was stored, as which delivery, and what was dropped", async () => {
  const topic = `it's.${freshTopic()}/x?`;
  const event = makeEvent({ topic, payload: { n: 1 }, source: "first" });
  await target.publisher.publishStored([event]);
  const alone = await detail(topic, event.event_id);
  const { shard, seq, received_at } = alone;
  expect(alone).toMatchObject({ topic, event_id: event.event_id, payload: { n: 1 }, more_deliveries: false });
  expect(alone.deliveries).toEqual([{ verdict: "stored", shard, seq, received_at, source: "first" }]);
  await target.publisher.publishStored([event]);
  await target.publisher.publishStored([{ ...event, source: "second", payload: { n: 2 } }]);
  const after = await eventually(
    async () => {
      const found = await detail(topic, event.event_id.toUpperCase());
      expect(found.deliveries.map(({ conflict }) => conflict)).toEqual([undefined, true, false]);
      return found;
    },
    { what: "both duplicates" },
  );
  expect(after).toMatchObject({ shard, seq, received_at, source: "first", payload: { n: 1 } });
  expect(after.deliveries.map(({ source }) => source)).toEqual(["first", "second", "first"]);
});

test("numbers keep their digits", async () => {
  const topic = freshTopic();
  const event = makeEvent({ topic, payload: { n: 0 } });
  const text = JSON.stringify(event).replace('"n":0', '"n":1.100000000000000000000000001');
  const headers = { "content-type": "application/json" };
  await request(`${target.url}/publish?ack=stored`, { method: "POST", headers, body: text });
  const response = await request(`${target.url}${pathOf(topic, event.event_id)}`);
  expect(await response.text()).toContain('"n": 1.100000000000000000000000001');
});

test("duplicates past a hundred are not listed, and that is said, with a link to all of them", async () => {
  const event = makeEvent({ topic: freshTopic() });
  await target.publisher.publishStored(Array.from({ length: 103 }, () => event));
  const found = await detail(event.topic, event.event_id);
  expect([found.deliveries.length, found.more_deliveries]).toEqual([101, true]);
  const response = await request(`${target.url}${pathOf(event.topic, event.event_id)}`);
  const all = /<([^>]+)>; rel="related"/.exec(response.headers.get("link") ?? "")?.[1];
  const listed = (await (await request(`${target.url}${all}&limit=1000`)).json()) as unknown[];
  expect(listed).toHaveLength(102);
});

test("an event that was never stored is 404, on another topic too", async () => {
  const event = makeEvent({ topic: freshTopic() });
  await target.publisher.publishStored([event]);
  await expectProblem(await request(`${target.url}${pathOf(event.topic, uuid())}`), 404);
  await expectProblem(await request(`${target.url}${pathOf("no.such", event.event_id)}`), 404);
});

test.each([
  ["/events/a..b/0198c0de-7a3b-7c1d-9e2f-0123456789ab", "`topic`"],
  ["/events/user.*/0198c0de-7a3b-7c1d-9e2f-0123456789ab", "`topic`"],
  ["/events/a/1", "`event_id`"],
  ["/events/a/0198c0de-7a3b-7c1d-9e2f-0123456789ab?limit=1", "`limit`"],
  ["/topics?topic=a*", "`topic`"],
  ["/topics?limit=0", "`limit`"],
  ["/topics?cursor=x", "`cursor`"],
  ["/topics?source=x", "`source`"],
])("%s is refused by name", async (path, name) => {
  const problem = await expectProblem(await request(`${target.url}${path}`), 422);
  expect(problem.detail).toContain(name);
});

test("HEAD answers as GET does, without a body", async () => {
  const event = makeEvent({ topic: freshTopic() });
  await target.publisher.publishStored([event]);
  for (const path of ["/topics", "/events", pathOf(event.topic, event.event_id)]) {
    const response = await request(`${target.url}${path}`, { method: "HEAD" });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(await response.text()).toBe("");
  }
});
