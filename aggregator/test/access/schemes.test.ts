/** Each security scheme that the document names lets in whoever follows its words, and nobody else. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { SecuritySchemeObject } from "openapi3-ts/oas31";
import { makeKeyText } from "../../src/access/key-text.ts";
import { SECURITY_SCHEMES } from "../../src/openapi/about.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { keysOf, type TestKeys } from "./keys.ts";

useBackingServers();
let stack: Stack;
let keys: TestKeys;
let url: string;
let good: string;
let session: string;

/** What the dashboard's own page sends beside its cookie. */
const OWN_PAGE = { "sec-fetch-site": "same-origin" };

beforeAll(async () => {
  stack = await openStack({ env: { ACCESS: "keys" } });
  url = (await stack.start()).url;
  keys = keysOf(stack);
  good = await keys.make();
  const headers = { ...OWN_PAGE, "content-type": "application/json" };
  const signedIn = await request(`${url}/session`, { method: "POST", headers, body: JSON.stringify({ key: good }) });
  session = /=([^;]+)/.exec(signedIn.headers.get("set-cookie") ?? "")?.[1] ?? "";
});
afterAll(async () => {
  await keys[Symbol.asyncDispose]();
  await stack[Symbol.asyncDispose]();
});

/** Headers as a client makes them that knows nothing but the scheme. */
function headersFor(scheme: SecuritySchemeObject, secret: string): Record<string, string> {
  if (scheme.type === "http" && scheme.scheme === "bearer") return { authorization: `Bearer ${secret}` };
  if (scheme.type === "http") return { authorization: `Basic ${btoa(`anybody:${secret}`)}` };
  if (scheme.in === "cookie") return { cookie: `${scheme.name}=${secret}`, ...OWN_PAGE };
  throw new Error(`no client knows how to follow ${JSON.stringify(scheme)}`);
}

describe.each(Object.entries<SecuritySchemeObject>(SECURITY_SCHEMES))("%s", (_, scheme) => {
  const isCookie = scheme.in === "cookie";
  const ask = async (secret: string) => {
    const headers = headersFor(scheme, secret);
    const read = await request(`${url}/stats`, { headers });
    const json = { ...headers, "content-type": "application/json" };
    const sent = await request(`${url}/publish`, { method: "POST", headers: json, body: "[]" });
    return [read.status, sent.status];
  };

  test("lets in who follows it, to read and to send", async () => {
    expect(await ask(isCookie ? session : good)).toEqual([200, 200]);
  });

  test("lets in nobody else", async () => {
    const [id = "", expiry = ""] = session.split(".");
    const wrong = isCookie ? [good, `${id}.${expiry}.${"A".repeat(43)}`] : [session, makeKeyText()];
    for (const secret of ["", "x", ...wrong]) expect([secret, await ask(secret)]).toEqual([secret, [401, 401]]);
  });
});

test("the document names these schemes for each route that asks for a key, and none for the others", async () => {
  const document = (await (await request(`${url}/openapi.json`)).json()) as {
    components: { securitySchemes: unknown };
    paths: Record<string, Record<string, { security: Record<string, string[]>[] }>>;
  };
  expect(document.components.securitySchemes).toEqual(SECURITY_SCHEMES);
  const names = new Set(
    Object.values(document.paths).flatMap((path) =>
      Object.values(path).map(({ security }) => security.flatMap(Object.keys).join()),
    ),
  );
  expect(names).toEqual(new Set(["", Object.keys(SECURITY_SCHEMES).join()]));
});
