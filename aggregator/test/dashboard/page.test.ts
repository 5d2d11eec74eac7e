/** The dashboard in a real Chromium, on a real stack. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { AggregatorProcess } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { faultsByAxe, openBrowser, visit } from "../harness/browser.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { post } from "../harness/http-client.ts";
import { Load } from "../harness/load.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 780 }, isMobile: true, hasTouch: true };

/** A count as the page shows it. */
async function shown(page: Page, term: string): Promise<number> {
  const text = await page.locator(`[data-term="${term}"] :is(.term-value, b)`).textContent();
  return Number((text ?? "").replaceAll(",", ""));
}

async function expectConnection(page: Page, word: string): Promise<void> {
  await page.locator(".connection", { hasText: word }).waitFor();
}

describe("the counts", () => {
  test("move while events come, add up, and nothing is complained about", async () => {
    await using stack = await openStack();
    await stack.start();
    await using seen = await visit(browser, stack.url);
    const { page } = seen;
    await expectConnection(page, "live");
    expect(await shown(page, "received")).toBe(0);
    await page.getByText("No topic yet").waitFor();

    const load = new Load(stack.publisher, ["load.a", "load.b"]);
    await load.acknowledges(300);
    await eventually(async () => expect(await shown(page, "received")).toBeGreaterThan(0));
    const before = await shown(page, "received");
    await load.acknowledges(300);
    await eventually(async () => expect(await shown(page, "received")).toBeGreaterThan(before));
    await load.stop();

    const { stats } = await stack.expectExact();
    await eventually(async () => expect(await shown(page, "received")).toBe(stats.received));
    expect(await shown(page, "unique")).toBe(stats.unique_processed);
    expect(await shown(page, "duplicate")).toBe(stats.duplicate_dropped);
    expect(await page.locator(".check").textContent()).toBe("✓ adds up exactly");
    await eventually(async () => {
      expect(await page.locator("#topics tbody th").allTextContents()).toEqual(["load.a", "load.b"]);
    });
    await page.locator("#flow canvas").first().waitFor();

    expect(seen.complaints).toEqual([]);
    expect(seen.requests.filter((url) => new URL(url).origin !== stack.url)).toEqual([]);
  });

  test("that do not add up are said to be so", async () => {
    await using stack = await openStack();
    const { url } = await stack.start();
    const context = await browser.newContext();
    const page = await context.newPage();
    await page.route("**/stats", async (route) => {
      const reply = (await (await route.fetch()).json()) as { received: number };
      await route.fulfill({ json: { ...reply, received: reply.received + 1 } });
    });
    await page.goto(url);
    await page.getByRole("alert").getByText("does not add up").waitFor();
    await context.close();
  });
});

describe("a service that goes away", () => {
  test("is said to, what was known stays, and the page goes on when it is back", async () => {
    await using stack = await openStack();
    const first = await stack.start();
    await stack.publisher.publish(makeEvents(7));
    await using seen = await visit(browser, first.url);
    const { page } = seen;
    await eventually(async () => expect(await shown(page, "unique")).toBe(7));
    await first.kill();
    await expectConnection(page, "disconnected");
    await page.getByText("goes on by itself").waitFor();
    expect(await shown(page, "unique")).toBe(7);
    expect(await faultsByAxe(page)).toEqual([]);

    const again = await AggregatorProcess.spawn(stack.environment(), { port: first.port });
    stack.aggregators.push(again);
    await expectConnection(page, "live");
    expect(await page.getByText("goes on by itself").count()).toBe(0);
    await stack.publisher.publish(makeEvents(5));
    await eventually(async () => expect(await shown(page, "unique")).toBe(12));
  });

  test("in part is named: Redis, then Postgres", async () => {
    await using stack = await openStack();
    const { url } = await stack.start();
    await using seen = await visit(browser, url);
    const lamp = (name: string, word: string) =>
      seen.page.locator(`[data-lamp="${name}"]`, { hasText: word }).waitFor();
    await lamp("Redis", "up");
    for (const [name, link] of [
      ["Redis", stack.redisLink],
      ["Postgres", stack.postgresLink],
    ] as const) {
      link.refuse();
      link.reset();
      await lamp(name, "away");
      link.heal();
      await lamp(name, "up");
      await expectConnection(seen.page, "live");
    }
  });
});

describe("anybody can use it", () => {
  test.each<[string, BrowserContextOptions]>([
    ["in light", { colorScheme: "light" }],
    ["in dark", { colorScheme: "dark" }],
    ["on a phone", PHONE],
  ])("axe finds nothing serious %s", async (_name, options) => {
    await using stack = await openStack();
    await stack.start();
    await using seen = await visit(browser, stack.url, { ...options, reducedMotion: "reduce" });
    await seen.page.locator(".tail-following", { hasText: "following" }).waitFor();
    const [first, ...rest] = makeEvents(40);
    if (first === undefined) throw new Error("no event was made");
    const sent = [first, { ...first, payload: { other: true } }, ...rest];
    expect((await post(`${stack.url}/publish?ack=stored`, sent)).status).toBe(200);
    await seen.page.locator("#search").getByRole("button", { name: "Search" }).click();
    for (const panel of ["tail", "search", "sources"]) {
      await seen.page.locator(`#${panel} .event summary`).first().click();
      await seen.page.locator(`#${panel} .event pre`).first().waitFor();
    }
    await expectConnection(seen.page, "live");
    await seen.page.locator("#flow canvas").first().waitFor();
    expect(await faultsByAxe(seen.page)).toEqual([]);
    const widths = await seen.page.evaluate("[document.documentElement.scrollWidth, window.innerWidth]");
    expect((widths as number[])[0]).toBe((widths as number[])[1] as number);
  });

  test("by keyboard: the first stop leads past the head, and no stop is a trap", async () => {
    await using stack = await openStack();
    await stack.start();
    await using seen = await visit(browser, stack.url);
    const { page } = seen;
    await expectConnection(page, "live");
    await page.keyboard.press("Tab");
    expect(await page.evaluate("document.activeElement.textContent")).toBe("Skip to the panels");
    await page.keyboard.press("Enter");
    expect(await page.evaluate("document.activeElement.id")).toBe("main");
    const stops = new Set<unknown>();
    for (let i = 0; i < 40; i += 1) {
      await page.keyboard.press("Tab");
      stops.add(await page.evaluate("document.activeElement.outerHTML.slice(0, 120)"));
      if ((await page.evaluate("document.activeElement === document.body")) === true) break;
    }
    expect(stops.size).toBeGreaterThan(2);
    expect(await page.evaluate("document.activeElement === document.body")).toBe(true);
  });
});
