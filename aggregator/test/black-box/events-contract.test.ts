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
  "?topic=a*",
  "?source=",
  "?since=now",
  "?since=2026-01-01T00:00:00",
  "?until=2026-02-30T00:00:00Z",
  "?q=",
  "?order=up",
  "?payload.=1",
  "?payload.a=1e999",
  "?payload=1",
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

/** All pages of a query, with what the test does between them. */
async function allPages(query: string, between: () => Promise<unknown> = async () => undefined) {
  const seen: StoredEvent[] = [];
  for (let next: string | undefined = `/events?${query}`; next !== undefined; ) {
    const page = await target.page(next);
    seen.push(...page.events);
    if (page.next !== undefined) await between();
    next = page.next;
  }
  return seen;
}

test("filters combine, and a wildcard stands for a token, a > for the rest", async () => {
  const root = freshTopic();
  const [a, b, c, d] = [
    makeEvent({ topic: `${root}.a`, source: "s1", payload: { user: { id: 7 }, note: "Disk FULL" } }),
    makeEvent({ topic: `${root}.b`, source: "s2", payload: { user: { id: 7 } } }),
    makeEvent({ topic: `${root}.b.c`, source: "s1", payload: { user: { id: "7" }, tags: ["x"] } }),
    makeEvent({ topic: `${root}.b.c`, source: "s1", timestamp: "2001-01-01T00:00:00Z", payload: {} }),
  ];
  await target.publisher.publishStored([a, b, c, d]);
  const found = async (query: string) => new Set(ids(await allPages(query)));
  const set = (...events: (typeof a)[]) => new Set(events.map((event) => event.event_id));
  const all = `topic=${encodeURIComponent(`${root}.>`)}`;
  expect(await found(all)).toEqual(set(a, b, c, d));
  expect(await found(`topic=${root}.*`)).toEqual(set(a, b));
  expect(await found(`topic=${root}.*.c`)).toEqual(set(c, d));
  expect(await found(`topic=${root}`)).toEqual(set());
  expect(await found(`${all}&source=s1`)).toEqual(set(a, c, d));
  expect(await found(`${all}&payload.user.id=7`)).toEqual(set(a, b));
  expect(await found(`${all}&payload.user.id="7"&payload.tags=["x"]`)).toEqual(set(c));
  expect(await found(`${all}&q=disk%20full`)).toEqual(set(a));
  expect(await found(`${all}&q=${encodeURIComponent("%")}`)).toEqual(set());
  expect(await found(`${all}&until=2001-01-01T00:00:00.000001Z`)).toEqual(set(d));
  expect(await found(`${all}&until=2001-01-01T00:00:00Z`)).toEqual(set());
  expect(await found(`${all}&since=2001-01-01T00:00:00.000001Z&source=s1`)).toEqual(set(a, c));
});

test.each(["asc", "desc"])(
  "pages of several topics neither skip nor repeat while more is stored, %s",
  async (order) => {
    const root = freshTopic();
    const topics = ["a", "b", "c.d"].map((name) => `${root}.${name}`);
    const same = { timestamp: "2025-06-01T12:00:00.5Z" };
    const events = topics.flatMap((topic) => [...makeEvents(20, { topic }), ...makeEvents(20, { topic, ...same })]);
    await target.publisher.publishStored(shuffled(events));
    const query = `topic=${encodeURIComponent(`${root}.>`)}&order=${order}&limit=9`;
    const noise = () => target.publisher.publishStored(topics.flatMap((topic) => makeEvents(5, { topic })));
    const seen = ids(await allPages(query, noise));
    expect(new Set(seen).size).toBe(seen.length);
    expect(events.filter((event) => !seen.includes(event.event_id))).toEqual([]);
  },
);

test("a cursor continues its own query only", async () => {
  const topic = freshTopic();
  await target.publisher.publishStored(makeEvents(3, { topic }));
  const { next } = await target.page(topic, "&limit=1");
  const other = (next ?? "").replace("limit=1", "limit=1&source=a");
  const problem = await expectProblem(await request(`${target.url}${other}`), 422);
  expect(problem.detail).toContain("`cursor`");
});
