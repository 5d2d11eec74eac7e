/** Signing in at the dashboard, in a real Chromium, on a real stack. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser, Page } from "playwright-core";
import { keysOf, send } from "../access/keys.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { faultsByAxe, openBrowser, visit } from "../harness/browser.ts";
import { makeEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { post, request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

let browser: Browser;
beforeAll(async () => {
  browser = await openBrowser();
});
afterAll(() => browser.close());

async function signIn(page: Page, key: string): Promise<void> {
  await page.getByLabel("key").fill(key);
  await page.getByRole("button", { name: "Sign in" }).click();
}

describe("where keys are asked for", () => {
  test("the page asks for one, shows what it is good for, and ends with the key", async () => {
    await using stack = await openStack({ env: { ACCESS: "keys" } });
    const { url } = await stack.start();
    await using keys = keysOf(stack);
    const writer = await keys.make({ scopes: ["publish"] });
    const reader = await keys.make({ name: "on-call", scopes: ["read"], topics: ["user.>"] });
    await send(writer, `${url}/publish?ack=stored`, [
      makeEvent({ topic: "user.auth" }),
      makeEvent({ topic: "shop.cart" }),
    ]);

    await using seen = await visit(browser, url);
    const { page } = seen;
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    expect(await page.locator("#counts").count()).toBe(0);
    expect(await faultsByAxe(page)).toEqual([]);
    // Nothing but the page itself, its files, its readiness and who it is was asked for before.
    const asked = new Set(
      seen.requests.map((each) => new URL(each).pathname.replace(/^\/dashboard\/.*/, "/dashboard")),
    );
    expect([...asked].toSorted()).toEqual(["/", "/dashboard", "/readyz", "/session"]);
    await signIn(page, "sekali_wrong");
    await page.getByRole("alert").getByText("There is no such key").waitFor();

    await signIn(page, reader);
    await page.getByText("on-call").waitFor();
    await eventually(async () => {
      expect(await page.locator("#topics tbody th").allTextContents()).toEqual(["user.auth"]);
    });
    await page.locator("#dead").getByText("good for admin").waitFor();
    expect(await page.locator("#dead .letter").count()).toBe(0);
    expect(await faultsByAxe(page)).toEqual([]);

    const [mine, other] = [makeEvent({ topic: "user.live" }), makeEvent({ topic: "shop.live" })];
    await page.locator("#tail").getByText("following").waitFor();
    await send(writer, `${url}/publish?ack=stored`, [other, mine]);
    await page.locator("#tail .event").first().waitFor();
    expect(await page.locator("#tail .event-topic").allTextContents()).toEqual(["user.live"]);

    // The key is neither in an address, nor where script can find it.
    const secret = reader.slice("sekali_".length);
    expect(seen.requests.filter((each) => each.includes(secret))).toEqual([]);
    const found = await page.evaluate("document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })");
    expect(found).toBe("{}");

    await keys.revoke("on-call");
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    // That the wrong key, and then the revoked one, were refused is all that the browser has to say.
    expect(seen.complaints.filter((each) => !each.includes("401"))).toEqual([]);
  });

  test("signing out shows the form again, and a key that may not read is told so", async () => {
    await using stack = await openStack({ env: { ACCESS: "keys" } });
    const { url } = await stack.start();
    await using keys = keysOf(stack);
    await using seen = await visit(browser, url);
    const { page } = seen;
    await signIn(page, await keys.make({ name: "shipper", scopes: ["publish"] }));
    await page.getByRole("alert").getByText("good for publish").waitFor();
    expect(await page.locator("#counts").count()).toBe(0);
    await page.getByRole("button", { name: "Sign out" }).click();
    await signIn(page, await keys.make());
    await page.locator("#dead").getByText("None is open").waitFor();
    await page.getByRole("button", { name: "Sign out" }).click();
    await page.getByRole("button", { name: "Sign in" }).waitFor();
    expect(await (await request(`${url}/session`)).json()).toEqual({ access: "keys", session: null });
    expect(seen.complaints).toEqual([]);
  });
});

test("where nobody is asked, nobody signs in; and where others can reach it, the page warns", async () => {
  await using stack = await openStack();
  const { url } = await stack.start({ HOST: "0.0.0.0" });
  await post(`${url}/publish`, makeEvent());
  await using seen = await visit(browser, url);
  const { page } = seen;
  await page.locator("#health .warning", { hasText: "ACCESS is open" }).waitFor();
  expect(await page.getByRole("button", { name: /Sign/ }).count()).toBe(0);
  expect(seen.complaints).toEqual([]);
});
