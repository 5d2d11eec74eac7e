/** What is tried without a key, or with one for other topics: all of it is refused, and no reply names the others. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, makeEvents } from "../harness/event-factory.ts";
import { rawRequest } from "../harness/raw-http.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { ask, keysOf, send, type TestKeys } from "./keys.ts";

useBackingServers();
const SECRET = "shop.secret";
let stack: Stack;
let keys: TestKeys;
let url: string;
let all: string;
let users: string;

beforeAll(async () => {
  stack = await openStack({ env: { ACCESS: "keys" } });
  url = (await stack.start()).url;
  keys = keysOf(stack);
  all = await keys.make();
  users = await keys.make({ topics: ["user.>"] });
  const secrets = makeEvents(3, { topic: SECRET });
  const delivered = [...makeEvents(3, { topic: "user.auth" }), ...secrets, ...secrets];
  expect((await send(all, `${url}/publish?ack=stored`, delivered)).status).toBe(200);
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

const basic = (bytes: string | Uint8Array) => `Basic ${Buffer.from(bytes).toString("base64")}`;

describe("an Authorization header", () => {
  test.each([
    ["in lower case", (key: string) => ({ authorization: `bearer ${key}` }), 200],
    ["basic in capitals", (key: string) => ({ AUTHORIZATION: `BASIC ${basic(`x:${key}`).slice(6)}` }), 200],
    ["that is there twice", (key: string) => ({ authorization: `Bearer ${key}`, Authorization: "Bearer x" }), 401],
    [
      "that is there twice alike",
      (key: string) => ({ authorization: `Bearer ${key}`, Authorization: `Bearer ${key}` }),
      401,
    ],
    ["with a tab", (key: string) => ({ authorization: `Bearer\t${key}` }), 401],
    ["folded over two lines", (key: string) => ({ authorization: `Bearer\r\n ${key}` }), 400],
    ["with a scheme too many", (key: string) => ({ authorization: `Bearer Bearer ${key}` }), 401],
    ["basic, without a colon", (key: string) => ({ authorization: basic(key) }), 401],
    ["basic, with a colon too many", (key: string) => ({ authorization: basic(`x:${key}:`) }), 401],
    ["basic, not UTF-8", () => ({ authorization: basic(new Uint8Array([0xff, 0x3a, 0xfe, 0xff])) }), 401],
    ["of 15,000 characters", (key: string) => ({ authorization: `Bearer ${key}${"x".repeat(15_000)}` }), 401],
    ["for a proxy", (key: string) => ({ "proxy-authorization": `Bearer ${key}` }), 401],
  ] as const)("%s", async (_, headers, status) => {
    const reply = await rawRequest(url, { method: "GET", path: "/stats", headers: headers(users) });
    expect([reply.status, reply.text]).toEqual([status, expect.not.stringContaining(users.slice(7))]);
  });
});

test.each(["/stats/", "/./stats", "/x/../stats", "http://evil.test/stats", "/stats?key=x", "/stats#x", "//stats"])(
  "without a key nothing is had of %s",
  async (path) => {
    const { status } = await rawRequest(url, { method: "GET", path });
    expect([400, 401, 404]).toContain(status);
  },
);

describe("with a key for users, nothing of the shop is had", () => {
  test.each([
    "/events?topic=shop%2Esecret",
    "/events?topic=%73hop.secret",
    "/events?topic=SHOP.SECRET",
    "/events?topic=shop%EF%BC%8Esecret",
    "/events?topic=user.%3E&topic=shop.%3E",
    "/events?topic=user.%3E%7Cshop.%3E",
    "/events?topic=user.%3E,shop.%3E",
    "/events?topic=user.auth%0Ashop.secret",
    "/events?topic=user.auth%00",
    "/events?topic=*.*&limit=1000",
    "/events?topic=%3E&q=a",
    "/events?q=shop&order=asc",
    "/events?payload.topic=shop.secret",
    "/events/shop%2Esecret/00000000-0000-4000-8000-000000000000",
    "/events/user.x%2F..%2Fshop.secret/00000000-0000-4000-8000-000000000000",
    "/duplicates",
    "/duplicates?topic=*.secret",
    "/topics?topic=*.*",
    "/topics?limit=1",
    "/stats",
    "/workers",
    "/metrics",
    "/subscriptions",
    "/dead-letters",
  ])("at %s", async (path) => {
    const headers = { authorization: `Bearer ${users}` };
    const { text } = await rawRequest(url, { method: "GET", path, headers });
    // A refusal may repeat what the caller has said, and no more.
    expect(text.replace(/"detail":"[^"]*"/, "")).not.toContain("shop");
  });

  test.each(["/events?limit=1", "/topics?limit=1", "/duplicates?limit=1"])("by the next page of %s", async (path) => {
    const first = await ask(all, `${url}${path}`);
    const next = /<([^>]+)>; rel="next"/.exec(first.headers.get("link") ?? "")?.[1];
    expect(next).toBeDefined();
    const answer = await ask(users, `${url}${next}`);
    expect(await answer.text()).not.toContain("shop");
  });

  test("by resuming where another's stream was, or from the beginning", async () => {
    for (const id of ["beginning", await lastIdOf(all)]) {
      const gone = new AbortController();
      const headers: Record<string, string> = id === "beginning" ? {} : { "last-event-id": id };
      const from = id === "beginning" ? "?from=beginning" : "";
      const response = await ask(users, `${url}/subscribe${from}`, { headers, signal: gone.signal });
      const mark = makeEvent({ topic: "user.mark" });
      await send(all, `${url}/publish?ack=stored`, [makeEvent({ topic: SECRET }), mark]);
      expect(await readUntil(response, mark.event_id)).not.toContain("shop");
      gone.abort();
    }
  });

  test("by the ack ids of another subscription", async () => {
    for (const [name, topic] of [
      ["shops", SECRET],
      ["users", "user.>"],
    ] as const) {
      const body = JSON.stringify({ topic, from: "beginning" });
      expect((await ask(all, `${url}/subscriptions/${name}`, { method: "PUT", body })).status).toBe(201);
    }
    const leased = (await (await ask(all, `${url}/subscriptions/shops/next?max=2`)).json()) as {
      events: { ack_id: string }[];
    };
    const ack_ids = leased.events.map(({ ack_id }) => ack_id);
    const post = { method: "POST", body: JSON.stringify({ ack_ids }) };
    const answer = await ask(users, `${url}/subscriptions/users/ack`, post);
    expect(await answer.json()).toEqual({ acknowledged: 0, stale: ack_ids });
    expect(await (await ask(all, `${url}/subscriptions/shops/ack`, post)).json()).toMatchObject({ acknowledged: 2 });
  });
});

async function readUntil(response: Response, what: string): Promise<string> {
  const reader = response.body?.getReader();
  let text = "";
  while (!text.includes(what)) text += new TextDecoder().decode((await reader?.read())?.value);
  return text;
}

/** The id with which a stream over all topics could go on. */
async function lastIdOf(key: string): Promise<string> {
  const gone = new AbortController();
  const response = await ask(key, `${url}/subscribe?from=beginning`, { signal: gone.signal });
  const text = await readUntil(response, SECRET);
  gone.abort();
  return /^id: ?(.+)$/m.exec(text)?.[1] ?? "";
}
