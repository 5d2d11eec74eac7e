/** Keys over processes: made and revoked on the command line, good and refused at every aggregator. */
import { describe, expect, test } from "bun:test";
import { commandLine, environment } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import type { Problem } from "../harness/http-client.ts";
import { request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { ask, keysOf, send } from "./keys.ts";

useBackingServers();

async function command(stack: Stack, ...words: string[]) {
  const child = Bun.spawn(commandLine("keys", ...words), {
    env: environment(stack.environment()),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [out, err, code] = await Promise.all([child.stdout.text(), child.stderr.text(), child.exited]);
  return { out, err, code };
}

describe("on the command line", () => {
  test("a key is made before anything has served, printed once and alone, listed without its text, and revoked", async () => {
    await using stack = await openStack({ env: { ACCESS: "keys" } });
    const made = await command(
      stack,
      "create",
      "--name",
      "web",
      "--scopes",
      "publish,read",
      "--topics",
      "user.>,shop.*",
    );
    expect([made.code, made.out]).toEqual([0, expect.stringMatching(/^sekali_[A-Za-z0-9_-]{43}\n$/)]);
    const key = made.out.trim();
    const { url } = await stack.start();
    expect((await ask(key, `${url}/stats`)).status).toBe(200);
    const rows = await stack.sql`SELECT * FROM keys`;
    expect(JSON.stringify(rows)).not.toContain(key.slice("sekali_".length));

    const listed = await command(stack, "list", "--json");
    expect(JSON.parse(listed.out)).toMatchObject([
      { name: "web", state: "live", scopes: ["publish", "read"], topics: ["user.>", "shop.*"], rate: null },
    ]);
    expect((await command(stack, "list")).out).toContain("web");
    expect((await command(stack, "create", "--name", "web", "--scopes", "read")).err).toContain("stands for a key");

    expect((await command(stack, "revoke", "web")).code).toBe(0);
    await eventually(async () => expect((await ask(key, `${url}/stats`)).status).toBe(401), { within: 8000 });
    expect((await command(stack, "revoke", "web")).err).toContain("was revoked before");
    expect(await command(stack, "revoke", "nobody")).toMatchObject({ code: 2, out: "" });
  });

  test("what is typed wrong is refused before anything is asked of Postgres, with the exit code of wrong usage", async () => {
    await using stack = await openStack();
    const { code, out, err } = await command(stack, "create", "--name", "a", "--scopes", "read,write");
    expect([code, out, err]).toEqual([2, "", expect.stringContaining("--scopes takes")]);
  });
});

test("a new key is good at once and a revoked one refused soon, at every aggregator", async () => {
  await using stack = await openStack({ env: { ACCESS: "keys" } });
  const both = [await stack.start(), await stack.start()];
  await using keys = keysOf(stack);
  const key = await keys.make({ name: "short" });
  for (const { url } of both) expect((await ask(key, `${url}/stats`)).status).toBe(200);
  await keys.revoke("short");
  await eventually(
    async () => {
      for (const { url } of both) expect((await ask(key, `${url}/stats`)).status).toBe(401);
    },
    { within: 8000 },
  );
});

test("known keys go on while Postgres is away: what they publish is queued (D13); of others nobody can say", async () => {
  await using stack = await openStack({ env: { ACCESS: "keys" } });
  const { url } = await stack.start();
  await using keys = keysOf(stack);
  const known = await keys.make();
  const events = makeEvents(3);
  expect((await send(known, `${url}/publish`, events.slice(0, 1))).status).toBe(200);
  const unknown = await keys.make();
  stack.postgresLink.refuse();
  expect((await send(known, `${url}/publish`, events)).status).toBe(200);
  expect((await send(unknown, `${url}/publish`, events)).status).toBe(503);
  stack.postgresLink.heal();
  await eventually(async () => expect((await send(unknown, `${url}/publish`, events)).status).toBe(200));
});

test("neither the log nor a reply repeats what was shown as a key, right or wrong", async () => {
  await using stack = await openStack({ env: { ACCESS: "keys", LOG_LEVEL: "debug" } });
  const aggregator = await stack.start();
  await using keys = keysOf(stack);
  const good = await keys.make({ scopes: ["publish"] });
  const wrong = `sekali_${"W".repeat(43)}`;
  const { url } = aggregator;
  const basic = (text: string) => ({ headers: { authorization: `Basic ${Buffer.from(text).toString("base64")}` } });
  const replies = [
    await ask(good, `${url}/stats`),
    await ask(wrong, `${url}/stats`),
    await ask(good, `${url}/publish`, { method: "POST", body: "{" }),
    await request(`${url}/stats`, basic(`x:${wrong}`)),
    await request(`${url}/stats?key=${good}`),
    await request(`${url}/publish?access_token=${good}`, { method: "POST", body: "[]" }),
  ];
  expect(replies.map(({ status }) => status)).toEqual([403, 401, 415, 401, 401, 401]);
  const text = (await Promise.all(replies.map((reply) => reply.text()))).join("\n");
  await aggregator.terminate();
  const said = [...aggregator.log, text].join("\n");
  for (const secret of [good, wrong]) expect(said).not.toContain(secret.slice("sekali_".length));
});

test("a key's last use is noted", async () => {
  await using stack = await openStack({ env: { ACCESS: "keys" } });
  const { url } = await stack.start();
  await using keys = keysOf(stack);
  const [used, idle] = [await keys.make({ name: "used" }), await keys.make({ name: "idle" })];
  expect(used).not.toBe(idle);
  await ask(used, `${url}/stats`);
  await eventually(async () => {
    const rows = await stack.sql`SELECT name FROM keys WHERE last_used_at IS NOT NULL`;
    expect(rows.map((row) => String(row["name"]))).toEqual(["used"]);
  });
});

test("where others can reach a service that asks nobody, it says so loudly; otherwise not", async () => {
  await using stack = await openStack();
  const warned = async (env: Record<string, string>) => {
    const aggregator = await stack.start(env);
    const { access } = (await (await request(`${aggregator.url}/readyz`)).json()) as {
      access: { mode: string; warnings: string[] };
    };
    // The log comes through a pipe, which may be slower than a reply.
    if (access.warnings.length > 0) await aggregator.logged(/ACCESS is open/);
    const inLog = aggregator.log.filter((line) => line.includes("ACCESS is open")).length;
    return [access.mode, access.warnings.length, inLog];
  };
  expect(await warned({ HOST: "127.0.0.1" })).toEqual(["open", 0, 0]);
  expect(await warned({ HOST: "0.0.0.0" })).toEqual(["open", 1, 1]);
  expect(await warned({ HOST: "0.0.0.0", PUBLISHED_HOST: "127.0.0.1" })).toEqual(["open", 0, 0]);
  expect(await warned({ HOST: "0.0.0.0", ACCESS: "keys" })).toEqual(["keys", 0, 0]);
});

test("a wrong key is a problem that says how to do better", async () => {
  await using stack = await openStack({ env: { ACCESS: "keys" } });
  const { url } = await stack.start();
  const response = await request(`${url}/stats`);
  expect(response.headers.get("content-type")).toBe("application/problem+json");
  expect(response.headers.get("www-authenticate")).toStartWith("Bearer");
  expect((await response.json()) as Problem).toMatchObject({ status: 401, type: "urn:sekali:problem:unauthorized" });
});
