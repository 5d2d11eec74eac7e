/** Dead letters in the dashboard: looked at, mended, replayed and deleted, in a real Chromium, on a real stack. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { useBackingServers } from "../harness/backing-servers.ts";
import { faultsByAxe, openBrowser, visit } from "../harness/browser.ts";
import { makeEvent, type TestEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { addRawEntry } from "../harness/redis-commands.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

/** Puts a delivery into the stream that no publish would take: only Postgres refuses its number. */
async function bury(stack: Stack, event: TestEvent): Promise<void> {
  const text = JSON.stringify({ ...event, payload: { n: "N" } }).replace('"N"', "1e-20000");
  const fields = { v: "1", n: "1", b: String(text.length), r: "1x1", d: text };
  const { url } = stack.redis;
  await addRawEntry({ url, prefix: stack.name, shard: 0, deliveries: 1, fields: Object.entries(fields).flat() });
}

test("one is mended and replayed, another deleted, and the sum stays right", async () => {
  await using stack = await openStack({ env: { SHARDS: "1" } });
  const { url } = await stack.start();
  await using seen = await visit(browser, url);
  const { page } = seen;
  const panel = page.locator("#dead");
  await panel.getByText("None is open").waitFor();

  const event = makeEvent({ topic: "mended.topic" });
  await bury(stack, event);
  await bury(stack, makeEvent());
  await panel.getByText("2 open").waitFor();
  const rows = panel.locator(".letter");
  await eventually(async () => expect(await rows.count()).toBe(2));

  // The youngest comes first: the one to be mended is the last.
  await rows.last().locator("summary").click();
  const text = rows.last().getByLabel("what was sent");
  expect(await text.inputValue()).toContain("1e-20000");
  expect(await faultsByAxe(page)).toEqual([]);
  await rows.last().getByRole("button", { name: "Replay as it is" }).click();
  await panel.getByRole("alert").waitFor();
  expect(await rows.count()).toBe(2);

  await text.fill(JSON.stringify(event));
  await rows.last().getByRole("button", { name: "Replay mended" }).click();
  await panel.getByText("replayed, and queued as a new delivery").waitFor();
  await eventually(async () => expect(await rows.count()).toBe(1));
  await eventually(async () => {
    expect(await page.locator("#topics tbody th").allTextContents()).toEqual(["mended.topic"]);
  });

  await rows.locator("summary").click();
  await rows.getByRole("button", { name: "Delete …" }).click();
  await rows.getByRole("button", { name: "Delete it for good" }).click();
  await panel.getByText("deleted; it stays counted").waitFor();
  await panel.getByText("None is open").waitFor();
  await panel.getByText("0 open").waitFor();
  await eventually(async () => {
    const values = await page.locator(".term-value").allTextContents();
    expect(values).toEqual(["3", "1", "0", "2", "0"]);
  });
  expect(await page.locator(".check").textContent()).toBe("✓ adds up exactly");
  // The refusal of what could not be mended is all that the browser has to say.
  expect(seen.complaints.filter((each) => !each.includes("422"))).toEqual([]);
});
