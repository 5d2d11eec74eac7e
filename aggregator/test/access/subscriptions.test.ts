/** Durable subscriptions keep to their caller's topics, and to keys that are good, also while a consumer waits. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { Database } from "../../src/store/database.ts";
import { PostgresSubscriptionStore } from "../../src/store/subscription-store.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { ask, keysOf, send, type TestKeys } from "./keys.ts";

useBackingServers();
let stack: Stack;
let keys: TestKeys;
let url: string;
let all: string;

beforeAll(async () => {
  stack = await openStack({ env: { ACCESS: "keys" } });
  url = (await stack.start()).url;
  keys = keysOf(stack);
  all = await keys.make();
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

async function subscribe(name: string, topic: string): Promise<void> {
  const body = JSON.stringify({ topic });
  expect((await ask(all, `${url}/subscriptions/${name}`, { method: "PUT", body })).status).toBe(201);
}

async function publish(topic: string): Promise<string> {
  const event = makeEvent({ topic });
  expect((await send(all, `${url}/publish?ack=stored`, event)).status).toBe(200);
  return event.event_id;
}

/** Resolves when so many consumers wait at the service. */
async function untilWaiting(consumers: number): Promise<void> {
  await eventually(async () => {
    const text = await (await ask(all, `${url}/metrics`)).text();
    expect(/^sekali_waiting_consumers (\d+)$/m.exec(text)?.[1]).toBe(String(consumers));
  });
}

interface Handed {
  readonly status: number;
  readonly ids: readonly string[];
}

async function next(key: string, name: string, waitS: number): Promise<Handed> {
  const response = await ask(key, `${url}/subscriptions/${name}/next?max=1&wait=${waitS}`);
  const { events = [] } = (await response.json()) as { events?: { event: { event_id: string } }[] };
  return { status: response.status, ids: events.map(({ event }) => event.event_id) };
}

test("one that is not the caller's does not say what it is to, however it is asked", async () => {
  await subscribe("hidden", "shop.secret");
  const users = await keys.make({ topics: ["user.>"] });
  const body = JSON.stringify({ topic: "user.auth" });
  const path = `${url}/subscriptions/hidden`;
  for (const response of [
    await ask(users, path),
    await ask(users, `${path}/next`),
    await ask(users, `${path}/dead-letters`),
    await ask(users, path, { method: "PUT", body }),
    await ask(users, path, { method: "DELETE" }),
  ]) {
    expect([response.status, await response.text()]).toEqual([403, expect.not.stringContaining("shop")]);
  }
});

test("whoever waits at one gets nothing of another that is made in its place", async () => {
  await subscribe("remade", "user.>");
  const users = await keys.make({ topics: ["user.>"] });
  const waiting = next(users, "remade", 10);
  await untilWaiting(1);
  expect((await ask(all, `${url}/subscriptions/remade`, { method: "DELETE" })).status).toBe(204);
  await subscribe("remade", ">");
  const foreign = await publish("shop.secret");
  expect((await waiting).ids).toEqual([]);
  expect(await next(all, "remade", 5)).toEqual({ status: 200, ids: [foreign] });
});

test("asking for one of another topic passes over no event of the one that is there", async () => {
  await subscribe("passed", "passed.>");
  const id = await publish("passed.by");
  const { postgres, name: schema } = stack;
  const database = new Database({ url: postgres.url, schema, name: "test leases", connectionsMax: 1 });
  expect(await new PostgresSubscriptionStore(database).lease("passed", "user.>", 1)).toBeUndefined();
  await database.close(1);
  expect(await next(all, "passed", 5)).toEqual({ status: 200, ids: [id] });
});

test("whose key is revoked while they wait in line are handed nothing when their turn comes", async () => {
  await subscribe("queue", "line.>");
  const ending = await keys.make({ name: "ending" });
  const first = next(all, "queue", 14);
  await untilWaiting(1);
  const second = next(ending, "queue", 14);
  await untilWaiting(2);
  await keys.revoke("ending");
  await eventually(async () => expect((await ask(ending, `${url}/stats`)).status).toBe(401));
  const ids = [await publish("line.a"), await publish("line.b")];
  expect((await first).ids).toHaveLength(1);
  expect((await second).ids).toEqual([]);
  const rest = await next(all, "queue", 5);
  expect([...(await first).ids, ...rest.ids].toSorted()).toEqual(ids.toSorted());
});
