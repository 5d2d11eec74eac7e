/** The dashboard's charts in a real Chromium: they begin before the page was opened, and have a gap where one was. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { StatsHistoryReply } from "@sekali/contract";
import type { Browser, Page } from "playwright-core";
import { useBackingServers } from "../harness/backing-servers.ts";
import { openBrowser, visit } from "../harness/browser.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

const WAIT = { within: 40_000 };

async function remembered(url: string): Promise<StatsHistoryReply["samples"]> {
  return ((await (await request(`${url}/stats/history`)).json()) as StatsHistoryReply).samples;
}

interface Point {
  readonly received: string;
  readonly clock: string;
}

/** What the legend says of each point of the chart of rates, from left to right: the mouse is moved over all of it. */
async function pointsOf(page: Page): Promise<Point[]> {
  const chart = page.locator("#flow .chart").first();
  const box = await chart.locator(".u-over").boundingBox();
  if (box === null) throw new Error("the chart is not drawn");
  const points = new Map<string, Point>();
  for (let x = 0; x < box.width; x += 4) {
    await page.mouse.move(box.x + x, box.y + box.height / 2);
    const clock = (await chart.locator(".legend .quiet").textContent()) ?? "";
    points.set(clock, { clock, received: (await chart.locator(".legend b").first().textContent()) ?? "" });
  }
  return [...points.values()];
}

test("a page that is opened, or opened again, shows what was before; what nobody knew is a gap", async () => {
  await using stack = await openStack();
  const { url } = await stack.start();
  await stack.publisher.publishStored(makeEvents(30));
  await eventually(async () => expect((await remembered(url)).at(-1)?.counts?.received).toBe(30), WAIT);
  stack.postgresLink.refuse();
  stack.postgresLink.reset();
  await eventually(async () => expect((await remembered(url)).at(-1)?.counts).toBeNull(), WAIT);
  {
    await using meanwhile = await visit(browser, url, { timezoneId: "UTC" });
    await meanwhile.page.locator("#flow").getByText("when this process started").waitFor();
  }
  stack.postgresLink.heal();
  await stack.publisher.publish(makeEvents(30));
  await eventually(async () => {
    const known = (await remembered(url)).filter(({ counts }) => counts?.received === 60);
    // Two for a rate, and one so close to the page's own first that it may be left out.
    expect(known.length).toBeGreaterThan(2);
  }, WAIT);

  for (const _visit of ["opened", "opened again"]) {
    const openedAtMs = Date.now();
    await using seen = await visit(browser, url, { timezoneId: "UTC" });
    const { page } = seen;
    await page.locator("#flow").getByText("when this process started").waitFor();
    await page.locator("#flow canvas").first().waitFor();
    const opened = new Date(openedAtMs).toISOString().slice(11, 19);
    await eventually(async () => {
      const earlier = (await pointsOf(page)).filter(({ clock }) => clock < opened);
      // The events' rate, a gap, and a rate again: all of it from before the page was there.
      const isRate = earlier.map(({ received }) => (received === "–" ? "–" : "n")).join("");
      expect(isRate).toMatch(/n–+n/);
    }, WAIT);
    expect(seen.requests.filter((each) => each.endsWith("/stats/history"))).toHaveLength(1);
    expect(seen.complaints).toEqual([]);
  }
});
