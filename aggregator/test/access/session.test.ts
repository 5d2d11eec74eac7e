/** Signing in with a key, as a browser does, at one process and another. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { keysOf, type TestKeys } from "./keys.ts";

useBackingServers();
let stack: Stack;
let keys: TestKeys;
let url: string;
let other: string;

beforeAll(async () => {
  stack = await openStack({ env: { ACCESS: "keys" } });
  url = (await stack.start()).url;
  other = (await stack.start()).url;
  keys = keysOf(stack);
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

const OWN = { "sec-fetch-site": "same-origin" };
const JSON_TYPE = { "content-type": "application/json" };

async function signIn(key: string, headers: Record<string, string> = OWN): Promise<Response> {
  const body = JSON.stringify({ key });
  return await request(`${url}/session`, { method: "POST", body, headers: { ...JSON_TYPE, ...headers } });
}

/** As a browser would send it back. */
async function cookieOf(key: string): Promise<string> {
  const response = await signIn(key);
  expect(response.status).toBe(200);
  return response.headers.get("set-cookie")?.split(";")[0] ?? "";
}

const withCookie = (cookie: string, headers: Record<string, string> = OWN) => ({ headers: { cookie, ...headers } });

test("the session is good for what the key is good for, at every process, and tells whose it is", async () => {
  const key = await keys.make({ name: "reader", scopes: ["read"], topics: ["user.>"] });
  const reply = await signIn(key);
  expect(await reply.json()).toMatchObject({ name: "reader", scopes: ["read"], topics: ["user.>"] });
  const header = reply.headers.get("set-cookie") ?? "";
  expect(header).toContain("HttpOnly; SameSite=Strict");
  expect(header).not.toContain(key.slice("sekali_".length));
  const cookie = header.split(";")[0] ?? "";
  for (const each of [url, other]) {
    expect((await request(`${each}/stats`, withCookie(cookie))).status).toBe(200);
    expect((await request(`${each}/dead-letters`, withCookie(cookie))).status).toBe(403);
    expect((await request(`${each}/events?topic=shop.cart`, withCookie(cookie))).status).toBe(403);
    const told = await (await request(`${each}/session`, withCookie(cookie))).json();
    expect(told).toMatchObject({ access: "keys", session: { name: "reader" } });
  }
});

test("what is no key signs nobody in, and no cookie of one's own making is good", async () => {
  for (const wrong of ["x", `sekali_${"a".repeat(43)}`]) {
    const reply = await signIn(wrong);
    expect([reply.status, reply.headers.get("set-cookie")]).toEqual([401, null]);
  }
  // A key in a query is refused as what nobody knows, a good one too.
  const inQuery = `${url}/session?key=${await keys.make()}`;
  for (const method of ["GET", "POST"]) expect((await request(inQuery, { method, headers: OWN })).status).toBe(422);
  const cookie = await cookieOf(await keys.make());
  const [id, expiry, signature] = cookie.split("=")[1]?.split(".") ?? [];
  for (const forged of [
    `${id}.${Number(expiry) + 1}.${signature}`,
    `${Number(id) - 1}.${expiry}.${signature}`,
    "1.2.3",
  ]) {
    expect((await request(`${url}/stats`, withCookie(`sekali_session=${forged}`))).status).toBe(401);
  }
  expect(await (await request(`${url}/session`)).json()).toEqual({ access: "keys", session: null });
});

test("another page can't use it, nor sign in or out", async () => {
  const key = await keys.make();
  const cookie = await cookieOf(key);
  const publish = async (headers: Record<string, string>) => {
    const body = JSON.stringify(makeEvent());
    return await request(`${url}/publish`, { method: "POST", body, headers: { cookie, ...JSON_TYPE, ...headers } });
  };
  expect((await publish(OWN)).status).toBe(200);
  for (const foreign of [{ "sec-fetch-site": "same-site" }, { origin: "http://127.0.0.1:1" }]) {
    expect((await publish(foreign)).status).toBe(403);
    expect((await request(`${url}/stats`, withCookie(cookie, foreign))).status).toBe(403);
    expect((await signIn(key, foreign)).status).toBe(403);
    expect((await request(`${url}/session`, { method: "DELETE", headers: foreign })).status).toBe(403);
  }
  expect((await publish({})).status).toBe(403);
});

test("it ends with its key, and a key in the header outweighs it", async () => {
  const cookie = await cookieOf(await keys.make({ name: "ending" }));
  const wrong = { authorization: "Bearer sekali", ...OWN };
  expect((await request(`${url}/stats`, withCookie(cookie, wrong))).status).toBe(401);
  await keys.revoke("ending");
  await eventually(async () => {
    for (const each of [url, other]) expect((await request(`${each}/stats`, withCookie(cookie))).status).toBe(401);
  });
});

test("signing out lets the browser forget it; a browser is told to keep it to encrypted connections where it is", async () => {
  const out = await request(`${url}/session`, { method: "DELETE", headers: OWN });
  expect([out.status, out.headers.get("set-cookie")]).toEqual([204, expect.stringContaining("Max-Age=0")]);
  const key = await keys.make();
  expect((await signIn(key)).headers.get("set-cookie")).not.toContain("Secure");
  for (const proto of ["https", "HTTPS", "https, http"]) {
    const proxied = await signIn(key, { ...OWN, "x-forwarded-proto": proto });
    expect([proto, proxied.headers.get("set-cookie")]).toEqual([proto, expect.stringMatching(/; Secure$/)]);
  }
  const plain = await signIn(key, { ...OWN, "x-forwarded-proto": "http, https" });
  expect(plain.headers.get("set-cookie")).not.toContain("Secure");
});

test("where nobody is asked there is nothing to sign in to", async () => {
  await using open = await openStack();
  const { url: address } = await open.start();
  expect(await (await request(`${address}/session`)).json()).toEqual({ access: "open", session: null });
  const body = JSON.stringify({ key: "x" });
  expect((await request(`${address}/session`, { method: "POST", body, headers: JSON_TYPE })).status).toBe(404);
});
