/** Every route asks for a key and its scope: the table is the service's own, so none can be forgotten. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { freePort } from "@sekali/native";
import { makeKeyText } from "../../src/access/key-text.ts";
import { readConfig } from "../../src/config.ts";
import type { Route, Scope } from "../../src/route.ts";
import { type Service, startService } from "../../src/service.ts";
import { recordedLog } from "../fakes/recorded-log.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { keysOf, type TestKeys } from "./keys.ts";

useBackingServers();
const SCOPES = ["publish", "read", "admin"] as const;
let stack: Stack;
let service: Service;
let keys: TestKeys;
/** By what is wrong with them. */
const bad = new Map<string, string | undefined>();
const only = new Map<Scope, string>();
const allBut = new Map<Scope, string>();

beforeAll(async () => {
  stack = await openStack();
  const environment = stack.environment({ HOST: "127.0.0.1", PORT: String(await freePort()), ACCESS: "keys" });
  service = await startService(
    readConfig(environment, () => ""),
    recordedLog("error").log,
  );
  keys = keysOf(stack);
  bad.set("no key", undefined);
  bad.set("a wrong key", makeKeyText());
  bad.set("no key at all, in a key's place", "sekali");
  bad.set("a revoked key", await keys.make({ name: "revoked" }));
  await keys.revoke("revoked");
  bad.set("an expired key", await keys.make({ expiresInMs: 1 }));
  for (const scope of SCOPES) {
    only.set(scope, await keys.make({ scopes: [scope] }));
    allBut.set(scope, await keys.make({ scopes: SCOPES.filter((each) => each !== scope) }));
  }
});

afterAll(async () => {
  await service.stop();
  await keys[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

/** A request that names something for each parameter; it need not be there. */
async function statusOf(route: Route, key: string | undefined, method: string = route.method): Promise<number> {
  const samples: Record<string, string> = { shard: "0", seq: "1", topic: "user.auth", event_id: crypto.randomUUID() };
  const path = route.path.replace(/:(\w+)/g, (_, name: string) => samples[name] ?? "x");
  const gone = new AbortController();
  const response = await request(`${service.url.origin}${path}`, {
    method,
    headers: key === undefined ? {} : { authorization: `Bearer ${key}` },
    signal: gone.signal,
  });
  // A stream would go on.
  gone.abort();
  return response.status;
}

/** `method path: status` for each route that `asks` picks. */
async function table(asks: (route: Route) => boolean, status: (route: Route) => Promise<number>): Promise<string[]> {
  const picked = service.routes.filter(asks);
  return await Promise.all(picked.map(async (route) => `${route.method} ${route.path}: ${await status(route)}`));
}

const isForAnybody = ({ scope }: Route) => scope === "anybody";
const isGuarded = (route: Route) => !isForAnybody(route);

test("there are routes of every kind", () => {
  expect(new Set(service.routes.map(({ scope }) => scope))).toEqual(new Set([...SCOPES, "anybody"] as const));
});

test("for anybody is what tells nothing of events, and no more than that", () => {
  const found = service.routes.filter(isForAnybody).map(({ method, path }) => `${method} ${path}`);
  expect(found.toSorted()).toEqual([
    "DELETE /session",
    "GET /",
    "GET /dashboard/:name",
    "GET /healthz",
    "GET /openapi.json",
    "GET /readyz",
    "GET /reference",
    "GET /reference/:name",
    "GET /session",
    "POST /session",
  ]);
});

describe("a route that is not for anybody", () => {
  test.each(["no key", "a wrong key", "no key at all, in a key's place", "a revoked key", "an expired key"])(
    "answers 401 to %s",
    async (kind) => {
      const found = await table(isGuarded, (route) => statusOf(route, bad.get(kind)));
      expect(found.filter((line) => !line.endsWith(": 401"))).toEqual([]);
    },
  );

  test("answers 401 to HEAD as well", async () => {
    const readable = (route: Route) => isGuarded(route) && route.method === "GET";
    const found = await table(readable, (route) => statusOf(route, undefined, "HEAD"));
    expect(found.filter((line) => !line.endsWith(": 401"))).toEqual([]);
  });

  test("answers 403 to a key that has all scopes but the one it needs", async () => {
    const found = await table(isGuarded, (route) => statusOf(route, allBut.get(route.scope)));
    expect(found.filter((line) => !line.endsWith(": 403"))).toEqual([]);
  });

  test("lets a key in that has only the scope it needs", async () => {
    const found = await table(isGuarded, (route) => statusOf(route, only.get(route.scope)));
    expect(found.filter((line) => /: (401|403|5\d\d)$/.test(line))).toEqual([]);
  });
});

test("a route for anybody asks nobody, whatever they show", async () => {
  for (const key of bad.values()) {
    const found = await table(isForAnybody, (route) => statusOf(route, key));
    expect(found.filter((line) => /: (401|403|5\d\d)$/.test(line))).toEqual([]);
  }
});
