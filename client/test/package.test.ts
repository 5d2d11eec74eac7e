/** The packed package in Node, in Bun, in a type checker and in a browser's page, against a real service. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { join } from "node:path";
import { useBackingServers } from "@sekali/aggregator/harness/backing-servers";
import { openBrowser, visit } from "@sekali/aggregator/harness/browser";
import { openStack, type Stack } from "@sekali/aggregator/harness/stack";
import { drained } from "@sekali/aggregator/harness/stats-watch";
import { type Installed, installPackage, NODE } from "./package.ts";

useBackingServers();

let installed: Installed;
let stack: Stack;
let url: string;
beforeAll(async () => {
  installed = await installPackage();
  stack = await openStack();
  ({ url } = await stack.start());
});
afterAll(async () => {
  await stack[Symbol.asyncDispose]();
  await installed[Symbol.asyncDispose]();
});

const PUBLISHING = `
  import { createPublisher } from "@sekali/client";
  const [url, topic] = process.argv.slice(2);
  const publisher = createPublisher({ url, source: "test", ack: "stored" });
  const receipts = await Promise.all([...Array(1000).keys()].map((n) => publisher.publish({ topic, payload: { n } })));
  const { undelivered } = await publisher.close();
  console.log(JSON.stringify({ stored: receipts.filter(({ verdict }) => verdict === "stored").length, undelivered }));
`;

const FOLLOWING = `
  import { consume, subscribe } from "@sekali/client";
  const [url, topic] = process.argv.slice(2);
  const followed = new Set();
  for await (const { event } of subscribe({ url, topic, from: "beginning" })) {
    if (followed.add(event.event_id).size === 1000) break;
  }
  const definition = { method: "PUT", body: JSON.stringify({ topic, from: "beginning" }) };
  const headers = { "content-type": "application/json" };
  await fetch(url + "/subscriptions/" + topic, { ...definition, headers });
  const consumed = new Set();
  for await (const leased of consume({ url, subscription: topic, max: 1000 })) {
    void leased.ack();
    if (consumed.add(leased.event.event_id).size === 1000) break;
  }
  console.log(JSON.stringify({ followed: followed.size, consumed: consumed.size }));
`;

test.each([
  ["Node", [NODE]],
  ["Bun", [process.execPath]],
] as const)("%s imports it, publishes, follows, consumes, and ends by itself after that", async (name, program) => {
  const topic = `package.${name}`;
  const said = await installed.run(program, "publish.mjs", PUBLISHING, url, topic);
  expect(JSON.parse(said)).toEqual({ stored: 1000, undelivered: [] });
  await drained(() => url, 10_000);
  const rows = await stack.sql<{ stored: number }[]>`SELECT count(*)::int AS stored FROM events WHERE topic = ${topic}`;
  expect(rows[0]?.stored).toBe(1000);
  const seen = await installed.run(program, "follow.mjs", FOLLOWING, url, topic);
  expect(JSON.parse(seen)).toEqual({ followed: 1000, consumed: 1000 });
});

test("the notices of what is bundled in it come with it", async () => {
  const notices = await Bun.file(join(installed.folder, "node_modules/@sekali/client/THIRD_PARTY_NOTICES")).text();
  for (const name of ["cockatiel", "eventsource-parser", "split2", "uuid"]) expect(notices).toContain(`\n${name}@`);
});

test("its types are whole without anything of this repository", async () => {
  const source = `
    import { createPublisher, PublishError, type Receipt } from "@sekali/client";
    const publisher = createPublisher({ url: new URL("http://h"), key: () => "k", buffer: { whenFull: "reject" } });
    export const receipt: Promise<Receipt> = publisher.publish({ topic: "a", payload: { n: 1 } });
    export const kind: string | undefined = new PublishError("full", "").event_id;
  `;
  const flags = "--noEmit --strict --target es2022 --module nodenext --lib es2022,dom,esnext.disposable --types";
  const tsc = join(import.meta.dir, "..", "..", "node_modules", ".bin", "tsc");
  expect(await installed.run([tsc, ...flags.split(" "), ""], "types.mts", source)).toBe("");
});

test("a page of the same origin publishes and follows with it", async () => {
  await using browser = await openBrowser();
  await using page = await visit(browser, `${url}/healthz`);
  await page.page.route("**/client.js", (route) =>
    route.fulfill({ contentType: "text/javascript", body: installed.script }),
  );
  const verdicts = await page.page.evaluate(`(async () => {
    const { createPublisher, subscribe } = await import("/client.js");
    const publisher = createPublisher({ url: location.origin, source: "page", ack: "stored" });
    const publishing = [...Array(50).keys()].map((n) => publisher.publish({ topic: "package.page", payload: { n } }));
    const receipts = await Promise.all(publishing);
    await publisher.close();
    let followed = 0;
    for await (const { event } of subscribe({ url: location.origin, topic: "package.page", from: "beginning" })) {
      followed += 1;
      if (followed === 50) break;
    }
    return [...receipts.map(({ verdict }) => verdict), followed];
  })()`);
  expect(verdicts).toEqual([...Array(50).fill("stored"), 50]);
});
