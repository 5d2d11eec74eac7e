/**
 * A page of another origin, in a real browser, at a service on loopback that asks nobody: it needs no permission for a
 * POST of plain text or for the address of an image, so it is the service that must refuse them.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { useBackingServers } from "../harness/backing-servers.ts";
import { openBrowser, visit } from "../harness/browser.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { post, request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
let browser: Browser;
let url: string;
/** Another port of the same machine, and so of the same site; by its name, of another site. */
let page: ReturnType<typeof Bun.serve>;

beforeAll(async () => {
  stack = await openStack();
  url = (await stack.start()).url;
  browser = await openBrowser();
  const html = { headers: { "content-type": "text/html" } };
  page = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: () => new Response("<p>Harmless", html) });
});
afterAll(async () => {
  await page.stop(true);
  await browser.close();
  await stack[Symbol.asyncDispose]();
});

async function outstanding(): Promise<number> {
  const state = (await (await request(`${url}/subscriptions/mailer`)).json()) as { outstanding: number };
  return state.outstanding;
}

test.each(["127.0.0.1", "localhost"])(
  "a page of http://%s:… takes no events away and acknowledges none",
  async (host) => {
    await request(`${url}/subscriptions/mailer`, { method: "PUT", body: '{"from":"beginning","ack_timeout_s":600}' });
    await post(`${url}/publish?ack=stored`, makeEvents(4));
    const leased = await (await request(`${url}/subscriptions/mailer/next?max=2`)).json();
    const ack_ids = (leased as { events: { ack_id: string }[] }).events.map(({ ack_id }) => ack_id);
    const before = await outstanding();

    await using foreign = await visit(browser, `http://${host}:${page.port}/`);
    // Without permission to read, all that a page learns is that there was an answer.
    const reached = await foreign.page.evaluate(`(async () => {
    const image = new Image();
    image.src = "${url}/subscriptions/mailer/next?max=1";
    await image.decode().catch(() => undefined);
    const options = { method: "POST", mode: "no-cors", body: ${JSON.stringify(JSON.stringify({ ack_ids }))} };
    return (await fetch("${url}/subscriptions/mailer/ack", options)).type;
  })()`);
    expect([reached, await outstanding()]).toEqual(["opaque", before]);
  },
);

test("a link that a person follows is answered, and the service's own page as ever", async () => {
  await using foreign = await visit(browser, `http://localhost:${page.port}/`);
  await foreign.page.evaluate(`location.assign("${url}/stats")`);
  await foreign.page.waitForURL(`${url}/stats`);
  expect(await foreign.page.textContent("body")).toContain('"received"');

  await using own = await visit(browser, url);
  const status = await own.page.evaluate(async () => (await fetch("/subscriptions/mailer/next")).status);
  expect(status).toBe(200);
});
