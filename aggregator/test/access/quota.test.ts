/** A key's quota bounds what is published under it, and nothing else. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { ask, keysOf, send, type TestKeys } from "./keys.ts";

useBackingServers();
let stack: Stack;
let keys: TestKeys;
let url: string;

beforeAll(async () => {
  stack = await openStack({ env: { ACCESS: "keys" } });
  url = (await stack.start()).url;
  keys = keysOf(stack);
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

async function stored(topic: string): Promise<number> {
  const response = await ask(await keys.make({ scopes: ["read"] }), `${url}/stats`);
  const { topic_counts } = (await response.json()) as { topic_counts: Record<string, { unique_processed: number }> };
  return topic_counts[topic]?.unique_processed ?? 0;
}

test("a batch larger than the burst is let in whole; until it is paid for there is a 429 that says for how long", async () => {
  const key = await keys.make({ quota: { rate: 1, burst: 3 } });
  const other = await keys.make({ quota: { rate: 1, burst: 3 } });
  const events = makeEvents(103, { topic: "quota.large" });
  expect((await send(key, `${url}/publish?ack=stored`, events)).status).toBe(200);
  const refused = await send(key, `${url}/publish?ack=stored`, makeEvents(1, { topic: "quota.refused" }));
  expect([refused.status, await refused.json()]).toMatchObject([429, { type: "urn:sekali:problem:quota-exceeded" }]);
  expect(Number(refused.headers.get("retry-after"))).toBeWithin(2, 102);
  expect([await stored("quota.large"), await stored("quota.refused")]).toEqual([103, 0]);
  // Neither another key's, nor what is read.
  expect((await send(other, `${url}/publish`, events)).status).toBe(200);
  expect((await ask(key, `${url}/events`)).status).toBe(200);
});

test("when it is paid for, the next batch is let in", async () => {
  const key = await keys.make({ quota: { rate: 50, burst: 5 } });
  const batch = () => makeEvents(100, { topic: "quota.twice" });
  expect((await send(key, `${url}/publish`, batch())).status).toBe(200);
  await eventually(async () => expect((await send(key, `${url}/publish?ack=stored`, batch())).status).toBe(200));
});

test("a stream of lines is slowed down, and completes", async () => {
  const key = await keys.make({ quota: { rate: 2000, burst: 500 } });
  const lines = makeEvents(3500, { topic: "quota.lines" }).map((event) => `${JSON.stringify(event)}\n`);
  const startedAtMs = performance.now();
  const response = await send(key, `${url}/publish?ack=stored`, lines.join(""), "application/x-ndjson");
  expect([response.status, await response.json()]).toMatchObject([200, { count: 3500, unique: 3500 }]);
  // Three chunks of a thousand are paid for, but for the burst, before the last one is let in.
  expect(performance.now() - startedAtMs).toBeGreaterThan(900);
});

test("OTLP is told in its own words, and of a request that becomes several batches all is let in, or none", async () => {
  const key = await keys.make({ quota: { rate: 1, burst: 1 } });
  const logRecords = Array.from({ length: 12_000 }, () => ({ body: { stringValue: "x" }, severityNumber: 9 }));
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "quota" } }] };
  const body = (records: readonly object[]) => ({ resourceLogs: [{ resource, scopeLogs: [{ logRecords: records }] }] });
  expect((await send(key, `${url}/v1/logs`, body(logRecords))).status).toBe(200);
  const refused = await send(key, `${url}/v1/logs`, body(logRecords.slice(0, 1)));
  expect([refused.status, await refused.json()]).toMatchObject([429, { code: 8 }]);
  expect(Number(refused.headers.get("retry-after"))).toBeGreaterThan(10_000);
  await eventually(async () => expect(await stored("quota.info")).toBe(12_000));
});

test("what it refuses takes up no room among the topics, whichever way it comes", async () => {
  await using small = await openStack({ env: { ACCESS: "keys", TOPICS_MAX: "3" } });
  const { url: address } = await small.start();
  await using own = keysOf(small);
  const [bounded, free] = [await own.make({ quota: { rate: 1, burst: 1 } }), await own.make()];
  expect((await send(bounded, `${address}/publish`, makeEvents(100, { topic: "paid.for" }))).status).toBe(200);

  const cloudEvent = { specversion: "1.0", id: "1", source: "/test", type: "refused.cloudevent", data: {} };
  const resource = { attributes: [{ key: "service.name", value: { stringValue: "refused" } }] };
  const logs = { resourceLogs: [{ resource, scopeLogs: [{ logRecords: [{ severityNumber: 9 }] }] }] };
  const refused = [
    await send(bounded, `${address}/publish`, makeEvents(2, { topic: "refused.json" })),
    await send(bounded, `${address}/cloudevents`, cloudEvent, "application/cloudevents+json"),
    await send(bounded, `${address}/v1/logs`, logs),
  ];
  expect(refused.map(({ status }) => status)).toEqual([429, 429, 429]);
  const others = ["new.one", "new.two"].flatMap((topic) => makeEvents(1, { topic }));
  expect((await send(free, `${address}/publish`, others)).status).toBe(200);
});
