import { expect, test } from "bun:test";
import { requireOwnPage } from "./own-page.ts";

const HOST = "logs.test:8080";

test.each([
  // What a browser says by itself, where the connection is one it trusts.
  [{ "sec-fetch-site": "same-origin" }, true, true],
  [{ "sec-fetch-site": "same-site" }, false, false],
  [{ "sec-fetch-site": "cross-site" }, false, false],
  [{ "sec-fetch-site": "none" }, true, false],
  // It outweighs the origin: a proxy may have changed the host.
  [{ "sec-fetch-site": "same-origin", origin: "https://logs.example" }, true, true],
  [{ "sec-fetch-site": "cross-site", origin: `http://${HOST}` }, false, false],
  // Where it does not.
  [{ origin: `http://${HOST}` }, true, true],
  [{ origin: "http://logs.test:9090" }, false, false],
  [{ origin: "http://evil.test" }, false, false],
  [{ origin: "null" }, false, false],
  [{}, true, false],
] as const)("%j: reading %p, changing %p", (headers, mayRead, mayChange) => {
  const asks = (mustSay: boolean) => {
    try {
      requireOwnPage(new Request("http://any/", { headers: { host: HOST, ...headers } }), mustSay);
      return true;
    } catch {
      return false;
    }
  };
  expect([asks(false), asks(true)]).toEqual([mayRead, mayChange]);
});
