/** `POST /cloudevents`, with the official SDK's own emitter where it can send such a thing. */
import { describe, expect, test } from "bun:test";
import { CloudEvent, type CloudEventV1, emitterFor, HTTP, httpTransport, Mode } from "cloudevents";
import { expectProblem, useTarget } from "../black-box/target.ts";
import { freshTopic, uuid } from "../harness/event-factory.ts";
import { request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

const target = useTarget();

const STRUCTURED = { "content-type": "application/cloudevents+json" };
const BATCHED = { "content-type": "application/cloudevents-batch+json" };

function makeCloudEvent(over: Partial<CloudEventV1<unknown>> = {}): CloudEvent<unknown> {
  return new CloudEvent({
    type: freshTopic("com.example"),
    source: "/shop/7",
    id: `order-${uuid()}`,
    subject: "order",
    data: { amount: 12.5, items: ["a", "b"] },
    partitionkey: "k1",
    ...over,
  });
}

async function send(body: string, headers: Record<string, string>, query = "", url = target.url): Promise<Response> {
  return await request(`${url}/cloudevents${query}`, { method: "POST", headers, body });
}

async function sendBatch(events: readonly CloudEvent<unknown>[], query = "", url = target.url) {
  return await send(JSON.stringify(events), BATCHED, query, url);
}

async function conflicts(): Promise<number> {
  return ((await target.stats()) as unknown as { conflicts: number }).conflicts;
}

describe("the SDK's emitter, unmodified", () => {
  test.each([
    ["binary", Mode.BINARY],
    ["structured", Mode.STRUCTURED],
  ])("%s mode: stored, with attributes and data", async (_, mode) => {
    const emit = emitterFor(httpTransport(`${target.url}/cloudevents`), { mode });
    const event = makeCloudEvent();
    await emit(event);
    const [stored] = await target.shows(event.type, 1);
    expect(stored).toMatchObject({
      source: "/shop/7",
      payload: { id: event.id, subject: "order", partitionkey: "k1", specversion: "1.0", data: event.data },
    });
    expect(Date.parse(stored?.timestamp ?? "")).toBe(Date.parse(event.time ?? ""));
  });

  test.each([
    ["an object", { a: 1 }, undefined],
    ["a string", "hello", undefined],
    ["text", "héllo\nworld", "text/plain"],
    ["bytes", new Uint8Array([0, 1, 254, 255]), "application/octet-stream"],
  ])("%s is the same data in all modes, and one event without a conflict", async (_, data, datacontenttype) => {
    const before = await conflicts();
    const event = makeCloudEvent({ data, ...(datacontenttype === undefined ? {} : { datacontenttype }) });
    for (const mode of [Mode.BINARY, Mode.STRUCTURED]) {
      await emitterFor(httpTransport(`${target.url}/cloudevents`), { mode })(event);
    }
    const message = HTTP.structured(event);
    expect(await (await send(`[${String(message.body)}]`, BATCHED, "?ack=stored")).json()).toMatchObject({
      results: ["duplicate"],
    });
    await target.shows(event.type, 1);
    expect(await conflicts()).toBe(before);
  });
});

test("a batch is queued all or nothing, and its pointers lead into it", async () => {
  const type = freshTopic("com.example");
  const events = [makeCloudEvent({ type }), makeCloudEvent({ type }), makeCloudEvent({ type, id: uuid() })];
  const bad = JSON.stringify([
    events[0],
    { ...events[1]?.toJSON(), source: "" },
    17,
    { ...events[2]?.toJSON(), id: 5 },
  ]);
  const problem = await expectProblem(await send(bad, BATCHED), 422);
  expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(["/1/source", "/2"]);
  const stored = await sendBatch(events, "?ack=stored");
  expect(await stored.json()).toMatchObject({ count: 3, unique: 3 });
  const ids = (await target.shows(type, 3)).map((event) => event.event_id);
  expect(ids).toContain(events[2]?.id ?? "");
});

test("numbers in data keep their digits", async () => {
  const type = freshTopic("com.example");
  const text = `{"specversion":"1.0","id":"1","source":"/s","type":"${type}","data":{"n":12345678901234567890.10}}`;
  expect((await send(text, STRUCTURED)).status).toBe(200);
  await target.shows(type, 1);
  expect((await target.page(type)).text).toContain("12345678901234567890.10");
});

describe("refused", () => {
  const base = { specversion: "1.0", id: "1", source: "/s", type: "com.example.x" };

  test("422: a type that is no topic, and what the contract does not keep, by the CloudEvent's own names", async () => {
    for (const [over, pointer] of [
      [{ type: "with space" }, "/type"],
      [{ type: "a..b" }, "/type"],
      [{ source: `/${"x".repeat(300)}` }, "/source"],
      [{ data: { a: "nul \u0000" } }, "/data/a"],
      [{ time: "0000-01-01T00:00:00Z" }, "/time"],
    ] as const) {
      const problem = await expectProblem(await send(JSON.stringify({ ...base, ...over }), STRUCTURED), 422);
      expect(problem.errors?.map((error) => error.pointer)).toEqual([pointer]);
    }
  });

  test("422: data nested 70 and 3,000 deep, without harm", async () => {
    for (const depth of [70, 3_000]) {
      const data = `${'{"a":'.repeat(depth)}1${"}".repeat(depth)}`;
      const response = await send(`{${JSON.stringify(base).slice(1, -1)},"data":${data}}`, STRUCTURED);
      await expectProblem(response, 422);
    }
    const response = await send(`{${JSON.stringify(base).slice(1, -1)},"data":${"[".repeat(200_000)}`, STRUCTURED);
    expect([400, 422]).toContain(response.status);
  });

  test("400: what is not JSON", async () => {
    for (const text of ["", "{", "nonsense", '{"a":}']) await expectProblem(await send(text, STRUCTURED), 400);
    await expectProblem(await send("{}", BATCHED), 400);
    const headers = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "a.b" };
    await expectProblem(await send('{"a":', { ...headers, "content-type": "application/json" }), 400);
  });

  test("422: of binary mode, each required attribute that is missing, whichever is there", async () => {
    const all = { "ce-specversion": "1.0", "ce-id": "1", "ce-source": "/s", "ce-type": "a.b" };
    for (const missing of Object.keys(all)) {
      const headers = Object.fromEntries(Object.entries(all).filter(([name]) => name !== missing));
      const problem = await expectProblem(await send("{}", { ...headers, "content-type": "application/json" }), 422);
      expect(problem.errors?.map(({ pointer }) => pointer)).toEqual([missing.replace("ce-", "/")]);
    }
  });

  test("415: no CloudEvent at all, and formats that are not JSON; Accept names what is taken", async () => {
    for (const type of ["application/json", "application/cloudevents+avro", "application/cloudevents+protobuf"]) {
      const response = await send("{}", { "content-type": type });
      expect(response.headers.get("accept")).toBe("application/cloudevents+json, application/cloudevents-batch+json");
      await expectProblem(response, 415);
    }
  });

  test("413: more than a body or a batch may hold", async () => {
    await expectProblem(await send(" ".repeat(6 * 1024 * 1024), STRUCTURED), 413);
    const many = JSON.stringify(Array.from({ length: 10_001 }, (_, index) => ({ ...base, id: String(index + 1) })));
    await expectProblem(await send(many, BATCHED), 413);
  });
});

test("503 when the queue is full", async () => {
  await using stack = await openStack({
    env: { QUEUE_EVENTS_MAX: "10", BATCH_EVENTS_MAX: "10", SHARDS: "1", ROLES: "api" },
  });
  const { url } = await stack.start();
  expect(
    (
      await sendBatch(
        Array.from({ length: 8 }, () => makeCloudEvent()),
        "",
        url,
      )
    ).status,
  ).toBe(200);
  const response = await sendBatch(
    Array.from({ length: 8 }, () => makeCloudEvent()),
    "",
    url,
  );
  expect(response.headers.get("retry-after")).toBe("1");
  expect((await expectProblem(response, 503)).type).toBe("urn:sekali:problem:overloaded");
});

test("killed while it is sent to, and sent again by other modes: each is stored once", async () => {
  await using stack = await openStack();
  const first = await stack.start();
  const type = freshTopic("com.example");
  const events = Array.from({ length: 200 }, () => makeCloudEvent({ type }));
  const sending = events.map(async (event, index) => {
    if (index === 100) await first.kill();
    const { headers, body } = HTTP.binary(event);
    await send(String(body), headers as Record<string, string>, "", first.url).catch(() => undefined);
  });
  await Promise.all(sending);
  const { url } = await stack.start();
  const reply = (await (await sendBatch(events, "?ack=stored", url)).json()) as { unique: number; duplicates: number };
  expect(reply.unique + reply.duplicates).toBe(200);
  const [row] = await stack.sql<{ count: number }[]>`SELECT count(*)::int AS count FROM events`;
  expect(row?.count).toBe(200);
});
