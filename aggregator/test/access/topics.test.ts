/** A key is good for its topics and no others: by every way in, and in every reply. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, makeEvents } from "../harness/event-factory.ts";
import type { Problem } from "../harness/http-client.ts";
import { metricsOf } from "../harness/metrics.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { ask, keysOf, send, type TestKeys } from "./keys.ts";

useBackingServers();
let stack: Stack;
let keys: TestKeys;
let url: string;
/** Good for all topics; for users alone; for some of the shop. */
let all: string;
let users: string;
let shop: string;

const OWN = makeEvents(3, { topic: "user.auth" });
const FOREIGN = makeEvents(3, { topic: "shop.cart" });

beforeAll(async () => {
  stack = await openStack({ env: { ACCESS: "keys" } });
  url = (await stack.start()).url;
  keys = keysOf(stack);
  all = await keys.make();
  users = await keys.make({ topics: ["user.>", "user.auth"] });
  shop = await keys.make({ topics: ["shop.*", "shop.>", "other"] });
  const delivered = [...OWN, ...FOREIGN, ...OWN.slice(0, 1), ...FOREIGN.slice(0, 1)];
  expect((await send(all, `${url}/publish?ack=stored`, delivered)).status).toBe(200);
});

afterAll(async () => {
  await keys[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

async function problemOf(response: Response): Promise<Problem> {
  return (await response.json()) as Problem;
}

async function topicsStored(): Promise<number> {
  const rows = await stack.sql`SELECT count(*)::int AS n FROM identities`;
  return Number(rows[0]?.["n"]);
}

describe("by every way in, an event of another topic is refused, and its place named", () => {
  const own = () => makeEvent({ topic: "user.auth" });
  const foreign = () => makeEvent({ topic: "shop.secret" });
  const asCloudEvent = (topic: string) => ({
    specversion: "1.0",
    id: crypto.randomUUID(),
    source: "/test",
    type: topic,
    data: {},
  });
  const lines = (...events: object[]) => events.map((event) => `${JSON.stringify(event)}\n`).join("");

  test.each([
    ["one event", () => foreign(), "application/json", "/publish", "/topic"],
    ["a batch, whole", () => [own(), foreign(), own()], "application/json", "/publish?ack=stored", "/1/topic"],
    ["a stream of lines", () => lines(own(), own(), foreign()), "application/x-ndjson", "/publish", "/2/topic"],
    ["a CloudEvent", () => asCloudEvent("shop.secret"), "application/cloudevents+json", "/cloudevents", "/type"],
    [
      "a batch of CloudEvents",
      () => [asCloudEvent("user.auth"), asCloudEvent("shop.secret")],
      "application/cloudevents-batch+json",
      "/cloudevents",
      "/1/type",
    ],
  ])("%s", async (_, body, type, path, pointer) => {
    const before = await topicsStored();
    const response = await send(users, `${url}${path}`, body(), type);
    const problem = await problemOf(response);
    expect([response.status, problem.type]).toEqual([403, "urn:sekali:problem:topic-not-covered"]);
    expect(problem.errors).toEqual([{ pointer, detail: "is not a topic of this key" }]);
    await send(all, `${url}/publish?ack=stored`, makeEvent({ topic: "user.auth" }));
    expect(await topicsStored()).toBe(before + 1);
  });

  const record = (service: string) => ({
    resource: { attributes: [{ key: "service.name", value: { stringValue: service } }] },
    scopeLogs: [{ logRecords: [{ body: { stringValue: "x" }, severityNumber: 9 }] }],
  });

  test("OTLP logs: the others are kept", async () => {
    const body = { resourceLogs: [record("user"), record("shop"), record("user")] };
    const response = await send(users, `${url}/v1/logs`, body);
    const { partialSuccess } = (await response.json()) as {
      partialSuccess: { rejectedLogRecords: string; errorMessage: string };
    };
    expect([response.status, partialSuccess.rejectedLogRecords]).toEqual([200, "1"]);
    expect(partialSuccess.errorMessage).toBe("/1/topic is not a topic of this key");
  });

  test("OTLP logs of such topics alone: 403 in OTLP's own words", async () => {
    const response = await send(users, `${url}/v1/logs`, { resourceLogs: [record("shop")] });
    expect([response.status, await response.json()]).toMatchObject([403, { code: 7 }]);
  });

  test("OTLP logs that were rejected are counted as such", async () => {
    const metrics = await metricsOf(url, { headers: { authorization: `Bearer ${all}` } });
    expect(metrics.sum("sekali_rejected_log_records_total", { reason: "topic-not-covered" })).toBe(2);
  });

  test("and it takes up no room among the topics", async () => {
    const response = await ask(all, `${url}/topics`);
    const names = ((await response.json()) as { topic: string }[]).map(({ topic }) => topic);
    expect(names.filter((name) => name.startsWith("shop."))).toEqual(["shop.cart"]);
  });

  test("a stream that turns to another topic midway says how much of it is queued", async () => {
    const body = lines(...Array.from({ length: 1000 }, own), foreign());
    const response = await send(users, `${url}/publish`, body, "application/x-ndjson");
    expect([response.status, await response.json()]).toMatchObject([403, { accepted: 1000 }]);
  });
});

describe("a reader", () => {
  const read = async (key: string, path: string) => {
    const response = await ask(key, `${url}${path}`);
    return { status: response.status, text: await response.text(), response };
  };
  const topicsIn = (text: string) => new Set([...text.matchAll(/"topic":"([^"]+)"/g)].map(([, topic]) => topic));

  test.each([
    ["/events?topic=shop.cart"],
    ["/events?topic=shop.*"],
    ["/events?topic=user"],
    [`/events/shop.cart/${FOREIGN[0]?.event_id}`],
    [`/events/shop.cart/${crypto.randomUUID()}`],
    ["/topics?topic=shop.cart"],
    ["/duplicates?topic=shop.cart"],
    ["/subscribe?topic=shop.>&from=beginning"],
  ])("is refused %s", async (path) => {
    const { status, text } = await read(users, path);
    expect([status, JSON.parse(text)]).toMatchObject([403, { type: "urn:sekali:problem:topic-not-covered" }]);
  });

  test.each([
    ["/events"],
    ["/events?topic=>"],
    ["/events?topic=*.*&limit=1000"],
    ["/events?q=a"],
    ["/topics"],
    ["/topics?topic=*.*"],
    ["/duplicates"],
    ["/duplicates?topic=>"],
  ])("gets of %s what is the key's", async (path) => {
    const found = await read(all, path);
    const expected = new Set([...topicsIn(found.text)].filter((topic) => topic?.startsWith("user.")));
    const own = await read(users, path);
    expect([own.status, topicsIn(own.text)]).toEqual([200, expected]);
  });

  test("whose patterns overlap gets each row once", async () => {
    const rows = JSON.parse((await read(shop, "/events?topic=*.cart")).text) as { event_id: string }[];
    expect(rows.map(({ event_id }) => event_id).toSorted()).toEqual(FOREIGN.map(({ event_id }) => event_id).toSorted());
  });

  test("gets of a duplicate's event_id what is the key's", async () => {
    const { text } = await read(users, `/duplicates?event_id=${FOREIGN[0]?.event_id}`);
    expect(text).toBe("[]");
  });

  test("streams what is the key's", async () => {
    const response = await ask(users, `${url}/events`, { headers: { accept: "application/x-ndjson" } });
    const text = await response.text();
    expect(topicsIn(text)).toEqual(new Set(["user.auth", "user.info"]));
  });

  test("is told all sums, and the counts of the key's topics alone", async () => {
    const [whole, own] = [JSON.parse((await read(all, "/stats")).text), JSON.parse((await read(users, "/stats")).text)];
    for (const sum of ["received", "unique_processed", "duplicate_dropped"]) expect(own[sum]).toBe(whole[sum]);
    expect(whole.topics).toContain("shop.cart");
    expect(own.topics).toEqual(["user.auth", "user.info"]);
    expect(Object.keys(own.topic_counts)).toEqual(["user.auth", "user.info"]);
    expect([whole.resending.sources.length > 0, own.resending.sources]).toEqual([true, []]);
  });

  test("follows what is the key's, from the beginning and as it comes", async () => {
    const gone = new AbortController();
    const response = await ask(users, `${url}/subscribe?from=beginning`, { signal: gone.signal });
    const last = makeEvent({ topic: "user.last" });
    const reader = response.body?.getReader();
    let text = "";
    const until = async (what: string) => {
      while (!text.includes(what)) text += new TextDecoder().decode((await reader?.read())?.value);
    };
    await until(OWN[2]?.event_id ?? "");
    await send(all, `${url}/publish?ack=stored`, [makeEvent({ topic: "shop.cart" }), last]);
    await until(last.event_id);
    expect([...topicsIn(text)].filter((topic) => !topic?.startsWith("user."))).toEqual([]);
    gone.abort();
  });

  test("loses the stream when the key is revoked", async () => {
    const key = await keys.make({ name: "follower", scopes: ["read"] });
    const response = await ask(key, `${url}/subscribe`);
    await keys.revoke("follower");
    const text = await response.text();
    expect(text).toContain('"reason":"unauthorized"');
  });
});

describe("a durable subscription", () => {
  const put = (key: string, name: string, topic: string) =>
    ask(key, `${url}/subscriptions/${name}`, {
      method: "PUT",
      body: JSON.stringify({ topic, from: "beginning" }),
      headers: { "content-type": "application/json" },
    });

  test("is the caller's as a whole, or not at all", async () => {
    expect((await put(users, "mine", "user.*")).status).toBe(201);
    expect((await put(all, "everything", ">")).status).toBe(201);
    for (const topic of [">", "*.auth", "shop.cart"]) expect((await put(users, "wider", topic)).status).toBe(403);
    expect((await put(users, "everything", "user.*")).status).toBe(403);

    const listed = (await (await ask(users, `${url}/subscriptions`)).json()) as { name: string }[];
    expect(listed.map(({ name }) => name)).toEqual(["mine"]);
    const { events } = (await (await ask(users, `${url}/subscriptions/mine/next?max=2`)).json()) as {
      events: unknown[];
    };
    expect(events).toHaveLength(2);

    const body = JSON.stringify({ ack_ids: ["0-1-1"] });
    const post = { method: "POST", body, headers: { "content-type": "application/json" } };
    const path = `${url}/subscriptions/everything`;
    for (const response of [
      await ask(users, path),
      await ask(users, `${path}/next`),
      await ask(users, `${path}/ack`, post),
      await ask(users, `${path}/nack`, post),
      await ask(users, `${path}/dead-letters`),
      await ask(users, path, { method: "DELETE" }),
    ]) {
      expect([response.url, response.status]).toEqual([response.url, 403]);
    }
    expect((await ask(users, `${url}/subscriptions/none`)).status).toBe(404);
    expect((await ask(users, `${url}/subscriptions/mine`, { method: "DELETE" })).status).toBe(204);
  });
});

test("dead letters are for keys that are good for all topics, replaying included", async () => {
  const raw = Buffer.from(JSON.stringify(makeEvent({ topic: "shop.cart" })));
  await stack.sql`
    INSERT INTO dead_letters (shard, seq, deliveries, sqlstate, reason, raw)
    VALUES (0, 1000000, 1, '22P02', 'made by hand', ${raw})`;
  const path = `${url}/dead-letters/0/1000000`;
  const asked = [
    ["GET", `${url}/dead-letters`],
    ["GET", path],
    ["POST", `${path}/replay`],
    ["DELETE", path],
  ] as const;
  for (const [method, address] of asked) {
    expect([address, (await ask(users, address, { method })).status]).toEqual([address, 403]);
  }
  expect((await ask(all, path)).status).toBe(200);
});
