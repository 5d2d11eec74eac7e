import { describe, expect, test } from "bun:test";
import { recordedLog } from "../test/fakes/recorded-log.ts";
import { OPEN_GATE } from "./access/gate.ts";
import type { Operation } from "./openapi/operation.ts";
import { UNOBSERVED } from "./ops/observers.ts";
import { RequestError } from "./problem.ts";
import { QueueAway } from "./queue/port.ts";
import { targetOf } from "./request-target.ts";
import type { Method } from "./route.ts";
import { createServer } from "./server.ts";

type Answer = (request: Request) => Response | Promise<Response>;

const OPERATION: Operation = { id: "test", tag: "Watch", summary: "A test", replies: {}, problems: [] };

/** A server whose routes say their own names, but for those that a test gives. */
function serve(answers: Record<string, Answer> = {}) {
  const route = (method: Method, path: string, name: string) => ({
    method,
    path,
    scope: "read" as const,
    operation: OPERATION,
    handle: answers[name] ?? (() => Response.json({ name }, { headers: { "x-name": name } })),
  });
  const routes = [
    route("POST", "/publish", "publish"),
    route("GET", "/events", "events"),
    route("GET", "/stats", "stats"),
    route("GET", "/healthz", "alive"),
    route("GET", "/readyz", "ready"),
    route("GET", "/letters/:shard/:seq", "letter"),
    route("DELETE", "/letters/:shard/:seq", "removal"),
    {
      method: "GET" as const,
      path: "/echo/:name",
      scope: "read" as const,
      operation: OPERATION,
      handle: (_: Request, named: object) => Response.json(named),
    },
  ];
  const recorded = recordedLog();
  const app = createServer(routes, OPEN_GATE, recorded.log, UNOBSERVED);
  const ask = async (method: string, path: string) => app.fetch(new Request(`http://test${path}`, { method }));
  return { app, ask, recorded };
}

const READING = ["/healthz", "/readyz", "/stats", "/events"];

describe("what is read", () => {
  test.each(["GET", "HEAD"])("is kept by no cache, and its type is not guessed at: %s", async (method) => {
    const refused = () => Promise.reject(new RequestError({ status: 404, title: "Not found" }));
    const { ask } = serve({ stats: refused });
    for (const path of ["/events", "/stats", "/letters/0/1", "/echo/x"]) {
      const { headers } = await ask(method, path);
      expect([headers.get("cache-control"), headers.get("x-content-type-options")]).toEqual(["no-store", "nosniff"]);
    }
  });

  test("is kept where the route says so", async () => {
    const kept = () => new Response("", { headers: { "cache-control": "no-cache" } });
    expect((await serve({ events: kept }).ask("GET", "/events")).headers.get("cache-control")).toBe("no-cache");
  });
});

describe("a route answers", () => {
  test.each([
    ["POST", "/publish", "publish"],
    ["POST", "/publish?ack=stored", "publish"],
    ["GET", "/events?topic=a&limit=3", "events"],
    ["GET", "/stats", "stats"],
    ["GET", "/healthz", "alive"],
    ["GET", "/readyz", "ready"],
  ])("%s %s", async (method, path, name) => {
    const response = await serve().ask(method, path);
    expect([response.status, await response.json()]).toEqual([200, { name }]);
  });

  test.each(["http://x", "http://sekali.example:8080", "https://x", "https://sekali.example", "https://[::1]:8443"])(
    "whatever the scheme and the host: %s",
    async (origin) => {
      const { app } = serve();
      for (const path of ["/stats", "/stats?a=/b/"])
        expect((await app.fetch(new Request(origin + path))).status).toBe(200);
    },
  );

  test("without parsing what no route asks for: cookies, headers, query", async () => {
    const { app } = serve();
    let parsed = "";
    const request = new Request("http://test/stats?a=b", { headers: { cookie: "a=b" } });
    const headers = new Proxy(request.headers, {
      get(target, name) {
        parsed += String(name);
        const value = Reflect.get(target, name);
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
    Object.defineProperty(request, "headers", { value: headers });
    expect((await app.fetch(request)).status).toBe(200);
    // The gate asks for one of them.
    expect(parsed).toBe("get");
  });

  test("with the request as it came, its body untouched", async () => {
    let body = "";
    const { ask } = serve({
      async publish(request) {
        expect(request.bodyUsed).toBe(false);
        body = `${request.url} ${request.method}`;
        return new Response();
      },
    });
    await ask("POST", "/publish?ack=queued");
    expect(body).toBe("http://test/publish?ack=queued POST");
  });
});

// Whose body the HTTP server leaves out: see raw-http.test.ts.
describe("HEAD answers as GET does", () => {
  test.each(READING)("%s", async (path) => {
    const { ask } = serve();
    const [get, head] = [await ask("GET", path), await ask("HEAD", path)];
    expect([head.status, head.headers.get("x-name")]).toEqual([get.status, get.headers.get("x-name")]);
    expect(await head.text()).toBe(await get.text());
  });

  test("its problems too", async () => {
    const response = await serve({
      stats: () => {
        throw new QueueAway("x");
      },
    }).ask("HEAD", "/stats");
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
  });
});

describe("another method of a known path is 405 and names what is allowed (RFC 9110)", () => {
  test.each([
    ...["GET", "HEAD", "PUT", "PATCH", "DELETE"].map((method) => [method, "/publish", "POST, OPTIONS"]),
    ...READING.flatMap((path) => ["POST", "PUT", "DELETE"].map((method) => [method, path, "GET, HEAD, OPTIONS"])),
  ] as const)("%s %s", async (method, path, allow) => {
    const response = await serve().ask(method ?? "", path ?? "");
    expect([response.status, response.headers.get("allow")]).toEqual([405, allow ?? ""]);
    expect(response.headers.get("content-type")).toBe("application/problem+json");
    if (method !== "HEAD") expect(await response.json()).toMatchObject({ type: "about:blank", status: 405 });
  });

  test.each<[string, string]>([
    ["/publish", "POST, OPTIONS"],
    ...READING.map((path): [string, string] => [path, "GET, HEAD, OPTIONS"]),
  ])("OPTIONS %s is no error", async (path, allow) => {
    const response = await serve().ask("OPTIONS", path);
    expect([response.status, response.headers.get("allow"), await response.text()]).toEqual([204, allow, ""]);
  });
});

describe("an unknown path is 404, whatever the method", () => {
  test.each([
    ["GET", "/"],
    ["GET", "/nowhere"],
    ["POST", "/publish/more"],
    ["OPTIONS", "/nowhere"],
    ["DELETE", "/events/1"],
  ])("%s %s", async (method, path) => {
    const response = await serve().ask(method, path);
    expect(response.status).toBe(404);
    expect(await response.json()).toMatchObject({ type: "about:blank", status: 404 });
  });
});

describe("a Host that is none", () => {
  // What Bun makes of it: a bare path, or a URL that can't be parsed.
  test.each(["/stats", "http://[/stats", "http://x:y/stats"])("is no reason to fail: %s", async (url) => {
    const { app } = serve({ stats: (request) => Response.json(targetOf(request).pathname) });
    const ask = (method: string) => {
      const request = new Request("http://test/stats", { method });
      Object.defineProperty(request, "url", { value: url });
      return app.fetch(request);
    };
    expect(await (await ask("GET")).json()).toBe("/stats");
    expect((await ask("DELETE")).status).toBe(405);
  });
});

describe("a path with named parts", () => {
  test("hands them over decoded", async () => {
    const response = await serve().ask("GET", "/echo/caf%C3%A9%20a%2Fb");
    expect(await response.json()).toEqual({ name: "café a/b" });
  });

  test("takes all of its methods, and names them for the others", async () => {
    const { ask } = serve();
    expect(await (await ask("GET", "/letters/1/2")).json()).toEqual({ name: "letter" });
    expect(await (await ask("DELETE", "/letters/1/2")).json()).toEqual({ name: "removal" });
    const refused = await ask("POST", "/letters/1/2");
    expect([refused.status, refused.headers.get("allow")]).toEqual([405, "GET, HEAD, DELETE, OPTIONS"]);
    expect((await ask("GET", "/letters/1")).status).toBe(404);
  });
});

describe("an error of a route", () => {
  test("of the request is its problem, and is not logged", async () => {
    const { ask, recorded } = serve({
      publish: () => {
        throw new RequestError({ status: 415, name: "not-json", title: "Not JSON" });
      },
    });
    const response = await ask("POST", "/publish");
    expect([response.status, await response.json()]).toMatchObject([415, { type: "urn:sekali:problem:not-json" }]);
    expect(recorded.lines).toEqual([]);
  });

  test.each([
    ["thrown", () => Promise.reject(new Error("password=hunter2 at /srv/app.ts:3"))],
    [
      "thrown at once",
      () => {
        throw new Error("password=hunter2 at /srv/app.ts:3");
      },
    ],
    ["that is no Error", () => Promise.reject("password=hunter2 at /srv/app.ts:3")],
  ] as const)("of ours, %s, is a 500 that says nothing of it; the log says all", async (_name, events) => {
    const { ask, recorded } = serve({ events });
    const response = await ask("GET", "/events");
    expect(response.status).toBe(500);
    const body = await response.text();
    expect(body).not.toMatch(/hunter2|app\.ts|stack/);
    expect(JSON.parse(body)).toMatchObject({ type: "about:blank", title: "Internal error", status: 500 });
    expect(JSON.stringify(recorded.at("error"))).toContain("hunter2");
  });
});
