import { expect, test } from "bun:test";
import { refuseForeignPage, requireOwnPage } from "./own-page.ts";

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

test.each([
  ["GET", {}, true],
  ["POST", {}, true],
  ["POST", { origin: "http://evil.test" }, true],
  ["POST", { "sec-fetch-site": "same-origin" }, true],
  ["POST", { "sec-fetch-site": "none" }, true],
  ["POST", { "sec-fetch-site": "same-site" }, false],
  ["POST", { "sec-fetch-site": "cross-site" }, false],
  ["GET", { "sec-fetch-site": "cross-site", "sec-fetch-dest": "image" }, false],
  ["GET", { "sec-fetch-site": "cross-site", "sec-fetch-dest": "iframe" }, false],
  // A link, and a form that does as if it were one.
  ["GET", { "sec-fetch-site": "cross-site", "sec-fetch-dest": "document" }, true],
  ["POST", { "sec-fetch-site": "cross-site", "sec-fetch-dest": "document" }, false],
] as const)("where nobody is asked for a key, %s with %j is let in: %p", (method, headers, isLetIn) => {
  const ask = () => refuseForeignPage(new Request("http://any/", { method, headers }));
  if (isLetIn) expect(ask).not.toThrow();
  else expect(ask).toThrow();
});
