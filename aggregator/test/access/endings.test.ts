/** Streams and waiting consumers end with the key or session that they were begun with; who comes back gets 401. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { SESSION_COOKIE, SESSION_S, SessionSigner } from "../../src/access/session-cookie.ts";
import { Database } from "../../src/store/database.ts";
import { PostgresKeyStore } from "../../src/store/key-store.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { keysOf, type TestKeys } from "./keys.ts";

useBackingServers();

/** Long enough to begin with, on a busy machine too. */
const LEFT_MS = 5000;
/** After the end; a revoked key is noticed by the next read of all keys. */
const LATE_MS_MAX = 8000;

let stack: Stack;
let keys: TestKeys;
let database: Database;
let url: string;

beforeAll(async () => {
  stack = await openStack({ env: { ACCESS: "keys" } });
  url = (await stack.start()).url;
  keys = keysOf(stack);
  database = new Database({ url: stack.postgres.url, schema: stack.name, name: "test sessions", connectionsMax: 1 });
});
afterAll(async () => {
  await database.close(1);
  await keys[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

type Credentials = Readonly<Record<string, string>>;
const bearer = (key: string): Credentials => ({ authorization: `Bearer ${key}` });

/** As of whoever has signed in nearly twelve hours ago: signed with the installation's own secret. */
async function oldSession(name: string): Promise<Credentials> {
  await keys.make({ name });
  const store = new PostgresKeyStore(database);
  const key = (await store.liveKeys()).find((each) => each.name === name);
  const before = () => Date.now() - SESSION_S * 1000 + LEFT_MS;
  const signer = new SessionSigner(await store.sessionSecret(), before);
  const { value } = signer.issue({ id: key?.id ?? 0, digest: key?.digest ?? "" });
  return { cookie: `${SESSION_COOKIE}=${value}`, "sec-fetch-site": "same-origin" };
}

let made = 0;
const freshName = () => {
  made += 1;
  return `ending-${made}`;
};

/** How credentials end: those of somebody, and what ends them, where they do not do so by themselves. */
const ENDINGS: readonly (readonly [string, () => Promise<{ who: Credentials; end?: () => Promise<void> }>])[] = [
  ["a key that expires", async () => ({ who: bearer(await keys.make({ expiresInMs: LEFT_MS })) })],
  [
    "a key that is revoked",
    async () => {
      const name = freshName();
      return { who: bearer(await keys.make({ name })), end: () => keys.revoke(name) };
    },
  ],
  ["a session that is over", async () => ({ who: await oldSession(freshName()) })],
  [
    "a session whose key is revoked",
    async () => {
      const name = freshName();
      return { who: await oldSession(name), end: () => keys.revoke(name) };
    },
  ],
];

const get = (who: Credentials, path: string) => request(`${url}${path}`, { headers: who });

async function expectRefused(who: Credentials, path: string): Promise<void> {
  const response = await get(who, path);
  expect(response.status).toBe(401);
  await response.text();
}

describe.each(ENDINGS)("with %s", (_, begin) => {
  test("a stream of events ends and says why, and is refused from then on", async () => {
    const { who, end } = await begin();
    const response = await get(who, "/subscribe?from=beginning");
    expect(response.status).toBe(200);
    const begunAtMs = performance.now();
    await end?.();
    expect(await response.text()).toContain('"reason":"unauthorized"');
    expect(performance.now() - begunAtMs).toBeLessThan(LEFT_MS + LATE_MS_MAX);
    await expectRefused(who, "/subscribe");
  });

  test("a consumer that waits is refused, and handed nothing", async () => {
    const name = freshName();
    const { who, end } = await begin();
    const path = `/subscriptions/${name}`;
    const body = { method: "PUT", body: "{}", headers: { ...who, "content-type": "application/json" } };
    expect((await request(`${url}${path}`, body)).status).toBe(201);
    const waiting = get(who, `${path}/next?wait=30`);
    await end?.();
    expect((await waiting).status).toBe(401);
    await expectRefused(who, `${path}/next`);
  });
});

test("a key expires on time though Postgres does not answer", async () => {
  await using away = await openStack({ env: { ACCESS: "keys" } });
  const { url: address } = await away.start();
  await using ofAway = keysOf(away);
  const headers = bearer(await ofAway.make({ expiresInMs: LEFT_MS }));
  const response = await request(`${address}/subscribe`, { headers });
  expect(response.status).toBe(200);
  const begunAtMs = performance.now();
  away.postgresLink.stall("request", "reply");
  expect(await response.text()).toContain('"reason":"unauthorized"');
  expect(performance.now() - begunAtMs).toBeLessThan(LEFT_MS + 3000);
  away.postgresLink.heal();
  await eventually(async () => expect((await request(`${address}/stats`, { headers })).status).toBe(401));
});
