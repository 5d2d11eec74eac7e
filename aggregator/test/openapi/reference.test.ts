/** The reference in a real Chromium, on a real stack. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, BrowserContextOptions } from "playwright-core";
import { useBackingServers } from "../harness/backing-servers.ts";
import { faultsByAxe, openBrowser, visit } from "../harness/browser.ts";
import { request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

describe("the reference shows every operation, loads nothing from outside, and complains of nothing", () => {
  test.each<[string, BrowserContextOptions]>([
    ["in light", { colorScheme: "light" }],
    ["in dark", { colorScheme: "dark" }],
    ["on a phone", { viewport: { width: 360, height: 780 }, isMobile: true, hasTouch: true }],
  ])("%s", async (_name, options) => {
    await using stack = await openStack();
    await stack.start();
    await using seen = await visit(browser, `${stack.url}/reference`, options);
    const { page } = seen;
    await page.locator(".opblock").first().waitFor();
    const { paths } = (await (await request(`${stack.url}/openapi.json`)).json()) as { paths: object };
    const operations = Object.values(paths).flatMap((item: object) => Object.keys(item));
    expect(await page.locator(".opblock").count()).toBe(operations.length);

    await page.locator("#operations-Send-publish .opblock-summary").click();
    await page.locator("#operations-Send-publish .responses-table").first().waitFor();
    expect(await faultsByAxe(page)).toEqual([]);
    const [content, window] = (await page.evaluate("[document.documentElement.scrollWidth, innerWidth]")) as number[];
    expect(content).toBe(window as number);

    expect(seen.complaints).toEqual([]);
    expect(seen.requests.filter((url) => new URL(url).origin !== stack.url && !url.startsWith("data:"))).toEqual([]);
  });
});

test("a request is tried out from the page, and a place in it can be linked to", async () => {
  await using stack = await openStack();
  await stack.start();
  await using seen = await visit(browser, `${stack.url}/reference#/Send/publish`);
  const publish = seen.page.locator("#operations-Send-publish");
  await publish.getByRole("button", { name: "Try it out" }).click();
  await publish.getByLabel("ack").selectOption("stored");
  await publish.getByRole("button", { name: "Execute" }).click();
  await publish.locator(".live-responses-table").getByText('"stored"').first().waitFor();
  expect(seen.complaints).toEqual([]);
  const stored = (await (await request(`${stack.url}/events`)).json()) as readonly { topic: string }[];
  expect(stored.map(({ topic }) => topic)).toEqual(["user.auth"]);
});

test("the page is strict, and asked for again; its assets are kept for ever", async () => {
  await using stack = await openStack();
  const { url } = await stack.start();
  const page = await request(`${url}/reference`);
  const text = await page.text();
  expect(page.headers.get("cache-control")).toBe("no-cache");
  expect(page.headers.get("content-security-policy")).not.toContain("unsafe");
  expect(text).not.toMatch(/<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=/i);
  const assets = [...text.matchAll(/(?:src|href)="(\/reference\/[^"]+)"/g)].map(([, path]) => path ?? "");
  expect(assets).toHaveLength(2);
  for (const path of assets) {
    const asset = await request(`${url}${path}`);
    expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(asset.headers.get("content-encoding")).toBe("gzip");
  }
});
