/** The document as a running service has it, and as the command line prints it. */
import { expect, test } from "bun:test";
import { commandLine, environment } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

async function printed(): Promise<string> {
  const child = Bun.spawn(commandLine("openapi"), { env: environment({}), stdout: "pipe", stderr: "inherit" });
  const text = await new Response(child.stdout).text();
  expect(await child.exited).toBe(0);
  return text;
}

test("a service with all roles serves what the command prints: every route, and nothing else", async () => {
  await using stack = await openStack();
  const { url } = await stack.start();
  const reply = await request(`${url}/openapi.json`);
  expect(reply.headers.get("content-type")).toBe("application/json");
  // Made of the routes that are mounted there, and of the catalogue here: neither can have one that the other lacks.
  expect(await reply.text()).toBe(await printed());

  const etag = reply.headers.get("etag") ?? "";
  expect((await request(`${url}/openapi.json`, { headers: { "if-none-match": etag } })).status).toBe(304);
});

test("one that only works describes what it serves", async () => {
  await using stack = await openStack();
  const { url } = await stack.start({ ROLES: "worker" });
  const { paths } = (await (await request(`${url}/openapi.json`)).json()) as { paths: object };
  expect(Object.keys(paths)).toContain("/stats");
  expect(Object.keys(paths)).not.toContain("/publish");
});

test("where keys are asked for, exactly those operations ask that say so", async () => {
  await using stack = await openStack({ env: { ACCESS: "keys" } });
  const { url } = await stack.start();
  const { paths } = (await (await request(`${url}/openapi.json`)).json()) as {
    paths: Record<string, Record<string, { security: readonly object[] }>>;
  };
  for (const [path, item] of Object.entries(paths)) {
    for (const [method, { security }] of Object.entries(item)) {
      const reply = await request(`${url}${path.replace(/\{\w+\}/g, "1")}`, { method: method.toUpperCase() });
      expect([method, path, reply.headers.has("www-authenticate")]).toEqual([method, path, security.length > 0]);
      if (security.length > 0) expect(reply.status).toBe(401);
    }
  }
});
