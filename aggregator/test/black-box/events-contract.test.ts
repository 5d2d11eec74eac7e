/** `GET /events`: order, pages, and what it refuses. */
import { expect, test } from "bun:test";
import { freshTopic, makeEvent, makeEvents, shuffled } from "../harness/event-factory.ts";
import { request } from "../harness/http-client.ts";
import { expectProblem, type StoredEvent, useTarget } from "./target.ts";

const target = useTarget();

function ids(events: readonly StoredEvent[]): string[] {
  return events.map((event) => event.event_id);
}

test("the newest timestamp comes first, to the microsecond", async () => {
  const topic = freshTopic();
  const stamps = ["12:00:00.000001Z", "12:00:00.000002Z", "12:00:00.000003Z", "13:00:00+01:00", "11:59:59.999999Z"];
  const events = stamps.map((stamp) => makeEvent({ topic, timestamp: `2025-06-01T${stamp}` }));
  await target.publisher.publishStored(shuffled(events));
  const [a, b, c, d, e] = events.map((event) => event.event_id);
  expect(ids(await target.shows(topic, 5))).toEqual([c, b, a, d, e].filter((id) => id !== undefined));
});

test("50 are shown unless limit says otherwise", async () => {
  const topic = freshTopic();
  await target.publisher.publishStored(makeEvents(60, { topic }));
  expect((await target.page(topic)).events).toHaveLength(50);
  expect((await target.page(topic, "&limit=7")).events).toHaveLength(7);
  expect((await target.page(topic, "&limit=1000")).events).toHaveLength(60);
});

test("pages neither skip nor repeat, also where many events share one timestamp", async () => {
  const topic = freshTopic();
  const same = makeEvents(40, { topic, timestamp: "2025-06-01T12:00:00.5Z" });
  const events = shuffled([...same, ...makeEvents(31, { topic })]);
  await target.publisher.publishStored(events);
  const seen: StoredEvent[] = [];
  for (let next: string | undefined = topic; next !== undefined; ) {
    const page = await target.page(next, "&limit=10");
    expect(page.events.length).toBeLessThanOrEqual(10);
    expect(page.events.length).toBeGreaterThan(0);
    seen.push(...page.events);
    next = page.next;
  }
  expect(seen).toHaveLength(71);
  expect(ids(seen)).toEqual(ids(await target.shows(topic, 71)));
  expect(new Set(ids(seen))).toEqual(new Set(events.map((event) => event.event_id)));
});

test("pages stay whole while newer and older events come in between", async () => {
  const topic = freshTopic();
  const events = makeEvents(30, { topic });
  await target.publisher.publishStored(events);
  const first = await target.page(topic, "&limit=10");
  await target.publisher.publishStored([
    makeEvent({ topic, timestamp: "2030-01-01T00:00:00Z" }),
    makeEvent({ topic, timestamp: "2001-01-01T00:00:00Z" }),
  ]);
  const seen = [...first.events];
  for (let next = first.next; next !== undefined; ) {
    const page = await target.page(next);
    seen.push(...page.events);
    next = page.next;
  }
  const [oldest] = ids(seen).slice(-1);
  expect(new Set(ids(seen)).size).toBe(seen.length);
  expect(seen).toHaveLength(31);
  expect(events.map((event) => event.event_id)).not.toContain(oldest ?? "");
});

test("the last page has no next, and so has an empty one", async () => {
  const topic = freshTopic();
  expect((await target.page(topic)).next).toBeUndefined();
  await target.publisher.publishStored(makeEvents(10, { topic }));
  expect((await target.page(topic, "&limit=11")).next).toBeUndefined();
  expect((await target.page(topic, "&limit=9")).next).toBeString();
});

test.each([
  "?topic=",
  "?topic=a%20b",
  "?topic=a&limit=0",
  "?topic=a&limit=1001",
  "?topic=a&limit=-1",
  "?topic=a&limit=1.5",
  "?topic=a&limit=ten",
  "?topic=a&limit=",
  "?topic=a&cursor=nonsense",
  "?topic=a&cursor=%00",
  "?topic=a&cursor=eyJhIjoxfQ",
  "?topic=a&surprise=1",
  "?topic=a&topic=b",
])("GET /events%s is refused with a reason", async (query) => {
  const response = await request(`${target.url}/events${query}`);
  expect([400, 422]).toContain(response.status);
  await expectProblem(response, response.status);
});

test("a quote in a topic is only a character", async () => {
  const topic = `it's.${freshTopic()}"--;`;
  await target.publisher.publishStored([makeEvent({ topic })]);
  await target.shows(topic, 1);
});

test("without a topic the newest of all topics are shown", async () => {
  const topic = freshTopic();
  const event = makeEvent({ topic, timestamp: "9999-12-31T23:59:59Z" });
  await target.publisher.publishStored([event]);
  const response = await request(`${target.url}/events?limit=1000`);
  const events = (await response.json()) as StoredEvent[];
  expect(ids(events)).toContain(event.event_id);
  const instants = events.map(({ timestamp }) =>
    timestamp.replace(/(?:\.(\d+))?Z$/, (_, fraction = "") => `.${fraction.padEnd(6, "0")}`),
  );
  expect(instants).toEqual(instants.toSorted().reverse());
});
