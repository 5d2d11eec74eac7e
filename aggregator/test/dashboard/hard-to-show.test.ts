/** What is long, old, or written from right to left, in the dashboard in a real Chromium, on a real stack. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser, BrowserContextOptions, Page } from "playwright-core";
import { useBackingServers } from "../harness/backing-servers.ts";
import { openBrowser, visit } from "../harness/browser.ts";
import { makeEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

const LONG = "x".repeat(255);
const DESK: BrowserContextOptions = { viewport: { width: 1280, height: 900 } };
const PHONE: BrowserContextOptions = { viewport: { width: 360, height: 780 }, isMobile: true, hasTouch: true };

/** By how many pixels what a selector finds is wider inside than it is shown. */
async function excess(page: Page, selector: string): Promise<number> {
  return await page
    .locator(selector)
    .first()
    .evaluate((element: { scrollWidth: number; clientWidth: number }) => element.scrollWidth - element.clientWidth);
}

test.each([
  ["on a desk", DESK, 0],
  ["on a phone", PHONE, 120],
] as const)("names of 255 characters are broken, and dates are not cut, %s", async (_name, options, tableExcess) => {
  await using stack = await openStack();
  const { url } = await stack.start();
  const made = await request(`${url}/subscriptions/${"s".repeat(64)}`, {
    method: "PUT",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ topic: LONG, from: "beginning" }),
  });
  expect(made.status).toBe(201);
  const old = makeEvent({ topic: LONG, source: LONG, timestamp: "2001-02-03T04:05:06Z" });
  await stack.publisher.publishStored([old, old]);
  await using seen = await visit(browser, url, { ...options, timezoneId: "UTC" });
  const { page } = seen;
  await page.locator("#search").getByRole("button", { name: "Search" }).click();
  await page.locator("#search .event").first().waitFor();
  for (const panel of ["topics", "sources", "subscriptions"]) {
    await page.locator(`#${panel} tbody th`, { hasText: /[xs]{20}/ }).waitFor();
    expect(await excess(page, `#${panel} .scroll`)).toBeLessThanOrEqual(tableExcess);
  }
  const time = page.locator("#search .event time");
  expect(await time.textContent()).toBe("2001-02-03 04:05:06");
  expect(await excess(page, "#search .event time")).toBe(0);
  await page.locator("#search .event summary").click();
  expect(await page.locator("#search dd").first().textContent()).toBe(LONG);
  expect(await excess(page, "html")).toBe(0);
});

test("what turns the direction of writing around is seen; letters from right to left are left alone", async () => {
  await using stack = await openStack();
  await stack.start();
  await using seen = await visit(browser, stack.url);
  const { page } = seen;
  await page.locator(".tail-following", { hasText: "following" }).waitFor();
  const event = makeEvent({
    topic: "a.b",
    source: "\u202eecivres",
    payload: { name: "שלום", trick: "\u202evil\u202c" },
  });
  await stack.publisher.publishStored([event]);
  await eventually(async () => {
    expect(await page.locator("#tail .event-line").first().textContent()).toContain('"trick":"\\u202evil\\u202c"');
  });
  expect(await page.locator("#tail .event-line").first().textContent()).toContain('"name":"שלום"');
  expect(await page.locator("#tail .event-source").first().textContent()).toBe("\\u202eecivres");
  await page.locator("#tail .event summary").first().click();
  expect(await page.locator("#tail .event pre").first().textContent()).toContain("\\u202evil");
});
