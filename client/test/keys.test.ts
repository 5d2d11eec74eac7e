/** The client at a service that asks for keys. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { commandLine, environment } from "@sekali/aggregator/harness/aggregator-process";
import { useBackingServers } from "@sekali/aggregator/harness/backing-servers";
import { openStack, type Stack } from "@sekali/aggregator/harness/stack";
import { createPublisher, PublishError, runConsumer, subscribe } from "../src/index.ts";

useBackingServers();

let stack: Stack;
let url: string;
let key: string;
beforeAll(async () => {
  stack = await openStack({ env: { ACCESS: "keys" } });
  ({ url } = await stack.start());
  const options = ["--name", "shop", "--scopes", "publish,read", "--topics", "shop.>"];
  const child = Bun.spawn(commandLine("keys", "create", ...options), {
    env: environment(stack.environment()),
    stdout: "pipe",
    stderr: "inherit",
  });
  key = (await new Response(child.stdout).text()).trim();
});
afterAll(async () => await stack[Symbol.asyncDispose]());

const kindOf = (publishing: Promise<unknown>) =>
  publishing.then(
    () => "acknowledged",
    (error: unknown) => (error instanceof PublishError ? `${error.kind} ${error.status}` : String(error)),
  );

test("of a batch, what the key does not cover is refused by name, and the rest is stored", async () => {
  await using publisher = createPublisher({ url, key, source: "test", ack: "stored" });
  const topics = ["shop.cart", "bank.account", "shop.order", "bank.account"];
  const kinds = topics.map((topic, n) => kindOf(publisher.publish({ topic, payload: { n } })));
  expect(await Promise.all(kinds)).toEqual(["acknowledged", "unauthorized 403", "acknowledged", "unauthorized 403"]);
  expect(publisher.counts.retries).toBe(0);
});

test("a wrong key, and none, are final for everything", async () => {
  for (const wrong of ["sekali_wrong", undefined]) {
    await using publisher = createPublisher({ url, key: wrong, source: "test" });
    expect(await kindOf(publisher.publish({ topic: "shop.cart", payload: {} }))).toBe("unauthorized 401");
    const follow = async () => {
      for await (const _ of subscribe({ url, key: wrong })) break;
    };
    await expect(follow()).rejects.toMatchObject({ kind: "unauthorized", status: 401 });
    const consuming = runConsumer({ url, key: wrong, subscription: "any" }, () => {});
    await expect(consuming).rejects.toMatchObject({ kind: "unauthorized", status: 401 });
  }
});

test("following is let in by the key", async () => {
  for await (const { event } of subscribe({ url, key, topic: "shop.>", from: "beginning" })) {
    expect(event.topic).toStartWith("shop.");
    break;
  }
});
