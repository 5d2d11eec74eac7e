/** The dashboard's tail, search and conflicts in a real Chromium, on a real stack. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { AggregatorProcess } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { openBrowser, visit } from "../harness/browser.ts";
import { makeEvent, makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { post, request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

const HOSTILE = `<img src=x onerror="document.title='taken'"><script>document.title='taken'</script>`;

async function expectTopics(page: Page, panel: string, topics: string[]): Promise<void> {
  await eventually(async () => {
    expect((await page.locator(`#${panel} .event-topic`).allTextContents()).toSorted()).toEqual(topics.toSorted());
  });
}

const following = (page: Page) => page.locator(".tail-following", { hasText: "following" }).waitFor();

test("the tail shows what is stored, filters it, pauses and goes on", async () => {
  await using stack = await openStack();
  await stack.start();
  await using seen = await visit(browser, stack.url);
  const { page } = seen;
  const tail = page.locator("#tail");
  await following(page);
  await tail.getByText("Nothing yet").waitFor();
  await stack.publisher.publish([makeEvent({ topic: "user.auth" }), makeEvent({ topic: "order.a" })]);
  await expectTopics(page, "tail", ["user.auth", "order.a"]);

  await tail.getByLabel("topic").fill("user.*");
  await tail.getByLabel("topic").press("Enter");
  await expectTopics(page, "tail", []);
  await following(page);
  const sent = ["user.auth", "user.auth.deep", "order.a"].map((topic) => makeEvent({ topic, source: "web" }));
  await stack.publisher.publish(sent);
  await expectTopics(page, "tail", ["user.auth"]);

  await tail.getByRole("button", { name: "Pause" }).click();
  await stack.publisher.publish(makeEvents(3, { topic: "user.b", source: "web" }));
  await tail.getByText("3 since the pause").waitFor();
  await expectTopics(page, "tail", ["user.auth"]);
  await tail.getByRole("button", { name: "Resume" }).click();
  await expectTopics(page, "tail", ["user.auth", "user.b", "user.b", "user.b"]);

  await tail.getByLabel("source").fill("mob");
  await tail.getByLabel("text").fill("NEEDLE");
  const payload = { note: "a needle in it" };
  await stack.publisher.publish([
    makeEvent({ topic: "user.c", source: "mobile", payload }),
    makeEvent({ topic: "user.d", source: "web", payload }),
    makeEvent({ topic: "user.e", source: "mobile", payload: {} }),
  ]);
  await expectTopics(page, "tail", ["user.c"]);

  await tail.getByLabel("topic").fill("user.>.x");
  await tail.getByLabel("topic").press("Enter");
  await tail.getByText("must use * for one whole token").waitFor();
  expect(seen.complaints).toEqual([]);
});

test("what came from outside is text, its numbers keep their digits, and opening it pauses the tail", async () => {
  await using stack = await openStack();
  await stack.start();
  await using seen = await visit(browser, stack.url);
  const { page } = seen;
  await following(page);
  const event = makeEvent({ topic: "a", source: HOSTILE, payload: { html: HOSTILE } });
  const text = JSON.stringify(event).replace('"payload":{', '"payload":{"n":1.10,"big":12345678901234567890,');
  expect((await post(`${stack.url}/publish`, text)).status).toBe(200);
  const row = page.locator("#tail .event");
  await row.locator("summary").click();
  const shown = (await row.locator("pre").textContent()) ?? "";
  expect(shown).toContain('"n": 1.10');
  expect(shown).toContain('"big": 12345678901234567890');
  expect(shown).toContain(JSON.stringify(HOSTILE));
  expect(await row.locator(".event-source").textContent()).toBe(HOSTILE);
  expect(await page.locator("#tail img, #tail script").count()).toBe(0);
  expect(await page.title()).toBe("Sekali");
  await page.locator("#tail").getByRole("button", { name: "Resume" }).waitFor();
  expect(seen.complaints).toEqual([]);
});

test.each([
  ["the service is back", false],
  ["a proxy has said 502 meanwhile, too", true],
])("the tail goes on by itself where it was when %s", async (_name, isBehindProxy) => {
  await using stack = await openStack();
  const first = await stack.start();
  await using seen = await visit(browser, first.url);
  const { page } = seen;
  await following(page);
  await stack.publisher.publish([makeEvent({ topic: "before" })]);
  await expectTopics(page, "tail", ["before"]);
  await first.kill();
  await page.locator(".tail-lost").waitFor();
  if (isBehindProxy) {
    const refused = Promise.withResolvers<void>();
    await page.route("**/subscribe?*", async (route) => {
      await route.fulfill({ status: 502 });
      refused.resolve();
    });
    await refused.promise;
    await page.unroute("**/subscribe?*");
  }
  const again = await AggregatorProcess.spawn(stack.environment(), { port: first.port });
  stack.aggregators.push(again);
  await again.ready();
  await stack.publisher.publish([makeEvent({ topic: "meanwhile" })]);
  await expectTopics(page, "tail", ["before", "meanwhile"]);
});

test("a page that nobody looks at gives its stream back, and shows what came meanwhile to who is back soon", async () => {
  await using stack = await openStack();
  await stack.start();
  await using seen = await visit(browser, stack.url);
  const { page } = seen;
  await following(page);
  const look = (isHidden: boolean) =>
    page.evaluate(`Object.defineProperty(document, "hidden", { value: ${isHidden}, configurable: true });
      document.dispatchEvent(new Event("visibilitychange"))`);
  const ended = page.waitForEvent("requestfailed", (request) => request.url().includes("/subscribe"));
  await look(true);
  await ended;
  await page.locator(".tail-opening").waitFor();
  const [meanwhile] = makeEvents(1, { topic: "meanwhile" });
  expect((await post(`${stack.url}/publish?ack=stored`, meanwhile)).status).toBe(200);
  await expectTopics(page, "tail", []);
  await look(false);
  await following(page);
  await expectTopics(page, "tail", ["meanwhile"]);
});

test("search finds stored events by topic, source and text, a page at a time", async () => {
  await using stack = await openStack();
  const { url } = await stack.start();
  const sent = [
    ...makeEvents(60, { topic: "bulk.a" }),
    makeEvent({ topic: "user.auth", source: "web", payload: { note: "the needle" } }),
    makeEvent({ topic: "user.auth", source: "web" }),
  ];
  expect((await post(`${url}/publish?ack=stored`, sent)).status).toBe(200);
  await using seen = await visit(browser, url);
  const { page } = seen;
  const search = page.locator("#search");
  const submit = () => search.getByRole("button", { name: "Search" }).click();
  await search.getByLabel("topic").fill("user.*");
  await submit();
  await expectTopics(page, "search", ["user.auth", "user.auth"]);
  await search.getByLabel("text in the payload").fill("needle");
  await submit();
  await expectTopics(page, "search", ["user.auth"]);
  await search.getByLabel("source").fill("nobody");
  await submit();
  await search.getByText("No stored event fits").waitFor();

  await search.getByLabel("source").fill("");
  await search.getByLabel("text in the payload").fill("");
  await search.getByLabel("topic").fill("bulk.>");
  await submit();
  await search.getByText("page 1, 50 events").waitFor();
  await search.getByRole("button", { name: "Next page" }).click();
  await search.getByText("page 2, 10 events").waitFor();
  expect(await search.getByRole("button", { name: "Next page" }).isDisabled()).toBe(true);
  expect(seen.complaints).toEqual([]);

  await search.getByLabel("topic").fill("no good");
  await submit();
  await search.getByText("The query parameter `topic` must").waitFor();
});

test("a conflict is shown with what is stored instead, and its source by name", async () => {
  await using stack = await openStack();
  const { url } = await stack.start();
  const event = makeEvent({ topic: "pay", source: "billing", payload: { amount: 1 } });
  const other = { ...event, payload: { amount: 2 } };
  for (const sent of [event, event, other]) expect((await post(`${url}/publish?ack=stored`, sent)).status).toBe(200);
  await using seen = await visit(browser, url);
  const sources = seen.page.locator("#sources");
  await eventually(async () => {
    expect(await sources.locator("tbody tr").allTextContents()).toEqual(["billing21"]);
  });
  await seen.page.locator('[data-term="conflicts"].bad').getByText("1").waitFor();
  await sources.locator(".event summary").click();
  await sources.getByText('"amount": 2').waitFor();
  await sources.getByText('"amount": 1').waitFor();
  expect(seen.complaints).toEqual([]);
});

test("a durable subscription is shown with how far it is behind", async () => {
  await using stack = await openStack();
  const { url } = await stack.start();
  const headers = { "content-type": "application/json" };
  const made = await request(`${url}/subscriptions/mail`, { method: "PUT", headers, body: '{"topic":"user.>"}' });
  expect(made.status).toBe(201);
  expect((await post(`${url}/publish?ack=stored`, makeEvents(4, { topic: "user.auth" }))).status).toBe(200);
  await using seen = await visit(browser, url);
  await eventually(async () => {
    const cells = seen.page.locator("#subscriptions tbody tr > *");
    expect(await cells.allTextContents()).toEqual(["mail", "user.>", "4", "0", "0"]);
  });
  expect(seen.complaints).toEqual([]);
});
