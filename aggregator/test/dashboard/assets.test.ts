/** How the dashboard is served. */
import { expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

test("the page is strict, and asked for again; its assets are kept for ever", async () => {
  await using stack = await openStack();
  const { url } = await stack.start();
  const page = await request(url);
  const text = await page.text();
  expect(page.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(page.headers.get("cache-control")).toBe("no-cache");
  const policy = page.headers.get("content-security-policy") ?? "";
  expect(policy).toContain("default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'");
  expect(policy).not.toContain("unsafe");
  expect(text).not.toMatch(/<style|<script(?![^>]*\bsrc=)|\son\w+=|\sstyle=/i);

  const assets = [...text.matchAll(/(?:src|href)="(\/[^"]+)"/g)].map(([, path]) => path ?? "");
  expect(assets.filter((path) => path.startsWith("/dashboard/"))).toHaveLength(2);
  for (const path of assets.filter((each) => each.startsWith("/dashboard/"))) {
    const asset = await request(`${url}${path}`);
    expect(asset.headers.get("cache-control")).toBe("public, max-age=31536000, immutable");
    expect(asset.headers.get("content-type")).toMatch(path.endsWith(".js") ? /^text\/javascript;/ : /^text\/css;/);
    expect(asset.headers.get("x-content-type-options")).toBe("nosniff");
    expect(asset.headers.get("content-encoding")).toBe("gzip");
    expect((await asset.text()).length).toBeGreaterThan(1000);
    const plain = await request(`${url}${path}`, { headers: { "accept-encoding": "identity" } });
    expect(plain.headers.get("content-encoding")).toBeNull();
  }

  const etag = page.headers.get("etag") ?? "";
  const again = await request(url, { headers: { "if-none-match": `"other", ${etag}` } });
  expect([again.status, await again.text()]).toEqual([304, ""]);
  expect((await request(url, { headers: { "if-none-match": '"other"' } })).status).toBe(200);
  expect((await request(`${url}/dashboard/main.js`)).status).toBe(404);
  expect((await request(url, { method: "HEAD" })).status).toBe(200);
  expect((await request(url, { method: "POST" })).headers.get("allow")).toBe("GET, HEAD, OPTIONS");
});
