/** The report's tests that need nothing but HTTP, each by its name. The other two are in `../report`. */
import { expect, test } from "bun:test";
import { batchesOf, freshTopic, makeEvent, makeEvents, shuffled } from "../harness/event-factory.ts";
import { post, request } from "../harness/http-client.ts";
import { expectProblem, useTarget } from "./target.ts";

const target = useTarget();

test("valid event: it is queued, stored and shown as it was sent", async () => {
  const event = makeEvent({ topic: freshTopic() });
  const response = await post(`${target.url}/publish`, event);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: "queued", count: 1 });
  const [shown] = await target.shows(event.topic, 1);
  const { topic, event_id, source, payload } = event;
  expect(shown).toMatchObject({ topic, event_id, source, payload });
  expect(Date.parse(shown?.timestamp ?? "")).toBe(Date.parse(event.timestamp));
  expect(Date.parse(shown?.received_at ?? "")).not.toBeNaN();
});

test.each(["topic", "event_id", "timestamp", "source", "payload"])(
  "missing field: without %s it is 422",
  async (field) => {
    const { [field as "topic"]: _, ...rest } = makeEvent({ topic: freshTopic() });
    const problem = await expectProblem(await post(`${target.url}/publish`, rest), 422);
    expect(problem.errors).toEqual([{ pointer: `/${field}`, detail: expect.any(String) }]);
  },
);

test.each([
  ["topic", 7],
  ["topic", null],
  ["event_id", "not-a-uuid"],
  ["event_id", 12],
  ["timestamp", 1_735_689_600],
  ["timestamp", "yesterday"],
  ["source", ["service-a"]],
  ["payload", "text"],
  ["payload", [1]],
  ["payload", null],
])("invalid types: %s = %p is 422 and named", async (field, value) => {
  const event = { ...makeEvent({ topic: freshTopic() }), [field]: value };
  const problem = await expectProblem(await post(`${target.url}/publish`, event), 422);
  expect(problem.errors?.map(({ pointer }) => pointer)).toEqual([`/${field}`]);
});

test("empty payload: {} is a payload", async () => {
  const event = makeEvent({ topic: freshTopic(), payload: {} });
  await target.publisher.publish([event]);
  expect((await target.shows(event.topic, 1))[0]?.payload).toEqual({});
});

test("deduplication on one topic: of three deliveries one is stored (P2)", async () => {
  const event = makeEvent({ topic: freshTopic() });
  const verdicts = [];
  for (let delivery = 0; delivery < 3; delivery += 1) {
    verdicts.push(...(await target.publisher.publishStored([event])).results);
  }
  expect(verdicts).toEqual(["stored", "duplicate", "duplicate"]);
  await target.shows(event.topic, 1);
});

test("same id on different topics: both are stored (P2)", async () => {
  const first = makeEvent({ topic: freshTopic() });
  const second = { ...first, topic: freshTopic() };
  expect((await target.publisher.publishStored([first, second])).results).toEqual(["stored", "stored"]);
  await target.shows(first.topic, 1);
  await target.shows(second.topic, 1);
});

test("batch with new and duplicate mixed: each delivery gets its own verdict (P2, P3)", async () => {
  const topic = freshTopic();
  const [known = makeEvent({ topic }), twice = makeEvent({ topic }), fresh = makeEvent({ topic })] = makeEvents(3, {
    topic,
  });
  await target.publisher.publishStored([known]);
  const before = await target.stats();
  const reply = await target.publisher.publishStored([known, twice, fresh, twice]);
  expect(reply).toEqual({
    status: "stored",
    count: 4,
    unique: 2,
    duplicates: 2,
    dead_lettered: 0,
    results: ["duplicate", "stored", "stored", "duplicate"],
  });
  const after = await target.stats();
  expect(after.unique_processed - before.unique_processed).toBeGreaterThanOrEqual(2);
  expect(after.duplicate_dropped - before.duplicate_dropped).toBeGreaterThanOrEqual(2);
  await target.shows(topic, 3);
});

test("a race of 50 parallel requests with one id: one is stored (P2)", async () => {
  const event = makeEvent({ topic: freshTopic() });
  const replies = await Promise.all(Array.from({ length: 50 }, () => target.publisher.publishStored([event])));
  const verdicts = replies.flatMap(({ results }) => results);
  expect(verdicts.filter((verdict) => verdict === "stored")).toHaveLength(1);
  expect(verdicts.filter((verdict) => verdict === "duplicate")).toHaveLength(49);
  await target.shows(event.topic, 1);
});

test("high-concurrency batches: 20 overlapping batches at once store each event once (P2, P3)", async () => {
  const topic = freshTopic();
  const events = makeEvents(500, { topic });
  const batches = batchesOf([...shuffled(events), ...shuffled(events), ...shuffled(events), ...shuffled(events)], 100);
  const replies = await Promise.all(batches.map(async (batch) => await target.publisher.publishStored(batch)));
  expect(replies.reduce((sum, reply) => sum + reply.unique, 0)).toBe(500);
  expect(replies.reduce((sum, reply) => sum + reply.duplicates, 0)).toBe(1500);
  await target.shows(topic, 500);
});

test("stats structure: every field is there and of its type", async () => {
  const topic = freshTopic();
  await target.publisher.publishStored([makeEvent({ topic })]);
  const response = await request(`${target.url}/stats`);
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toStartWith("application/json");
  const stats = (await response.json()) as Record<string, unknown>;
  for (const field of ["received", "unique_processed", "duplicate_dropped", "dead_lettered", "queued", "lost"]) {
    expect({ field, natural: Number.isSafeInteger(stats[field]) && Number(stats[field]) >= 0 }).toEqual({
      field,
      natural: true,
    });
  }
  expect(stats["topics"]).toContain(topic);
  const topics = stats["topics"] as string[];
  expect(new Set(topics).size).toBe(topics.length);
  expect(topics).not.toContain("");
});

test("stats arithmetic: received = unique + duplicate + dead + queued in every reply under load (P3)", async () => {
  const topic = freshTopic();
  const events = makeEvents(1_000, { topic });
  const before = await target.stats();
  let publishing = true;
  const load = target.publisher.publishAll(batchesOf([...events, ...events], 50)).finally(() => {
    publishing = false;
  });
  let received = before.received;
  let replies = 0;
  while (publishing) {
    const stats = await target.stats();
    expect(stats.received).toBeGreaterThanOrEqual(received);
    received = stats.received;
    replies += 1;
  }
  await load;
  expect(replies).toBeGreaterThan(0);
  await target.shows(topic, 1_000);
  const after = await target.stats();
  expect(after.received - before.received).toBeGreaterThanOrEqual(2_000);
  expect(after.unique_processed - before.unique_processed).toBeGreaterThanOrEqual(1_000);
});

test("topic filter: only the topic that was asked for is shown", async () => {
  const [topic, other] = [freshTopic(), freshTopic()];
  await target.publisher.publishStored([...makeEvents(3, { topic }), ...makeEvents(2, { topic: other })]);
  expect(new Set((await target.shows(topic, 3)).map((event) => event.topic))).toEqual(new Set([topic]));
  expect((await target.page(freshTopic())).events).toEqual([]);
  // A topic is a name, not a pattern or a prefix.
  expect((await target.page(topic.slice(0, -1))).events).toEqual([]);
});

test("uptime format: H:MM:SS, and it grows", async () => {
  const seconds = async () => {
    const { uptime } = await target.stats();
    const [, hours, minutes, rest] = /^(\d+):([0-5]\d):([0-5]\d)$/.exec(uptime) ?? [];
    return Number(hours) * 3600 + Number(minutes) * 60 + Number(rest);
  };
  const first = await seconds();
  expect(first).not.toBeNaN();
  expect(await seconds()).toBeGreaterThanOrEqual(first);
});

test.each([
  ["GET", "/publish", ["POST"]],
  ["PUT", "/publish", ["POST"]],
  ["DELETE", "/publish", ["POST"]],
  ["POST", "/stats", ["GET"]],
  ["DELETE", "/events", ["GET"]],
  ["POST", "/healthz", ["GET"]],
  ["PATCH", "/readyz", ["GET"]],
])("method not allowed: %s %s is 405 and names what is", async (method, path, allowed) => {
  const response = await request(`${target.url}${path}`, { method });
  const named = (response.headers.get("allow") ?? "").split(/,\s*/);
  expect(named).toEqual(expect.arrayContaining(allowed));
  expect(named).not.toContain(method);
  await expectProblem(response, 405);
});
