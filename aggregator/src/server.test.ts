import { describe, expect, test } from "bun:test";
import { recordedLog } from "../test/fakes/recorded-log.ts";
import type { Role } from "./config.ts";
import { RequestError } from "./problem.ts";
import { QueueAway } from "./queue/port.ts";
import { createServer, type Routes } from "./server.ts";

type Answer = (request: Request) => Response | Promise<Response>;

/** A server whose routes say their own names, but for those that a test gives. */
function serve(answers: Record<string, Answer> = {}, roles: readonly Role[] = ["api", "worker"]) {
  const named = (name: string): Answer =>
    answers[name] ?? (() => Response.json({ name }, { headers: { "x-name": name } }));
  const routes = {
    publish: { handle: named("publish") },
    events: { handle: named("events") },
    stats: { handle: named("stats") },
    health: { alive: named("alive"), ready: named("ready") },
  } as unknown as Routes;
  const recorded = recordedLog();
  const app = createServer(routes, new Set(roles), recorded.log);
  const ask = async (method: string, path: string) => app.fetch(new Request(`http://test${path}`, { method }));
  return { ask, recorded };
}

const READING = ["/healthz", "/readyz", "/stats", "/events"];

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

describe("HEAD answers as GET does, without a body", () => {
  test.each(READING)("%s", async (path) => {
    const { ask } = serve();
    const [get, head] = [await ask("GET", path), await ask("HEAD", path)];
    expect([head.status, head.headers.get("x-name")]).toEqual([get.status, get.headers.get("x-name")]);
    expect(await head.text()).toBe("");
  });

  test("its problems too", async () => {
    const response = await serve({
      stats: () => {
        throw new QueueAway("x");
      },
    }).ask("HEAD", "/stats");
    expect([response.status, response.headers.get("retry-after"), await response.text()]).toEqual([503, "1", ""]);
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

test("a process without the role api takes no events and shows none, and reports all the same", async () => {
  const { ask } = serve({}, ["worker"]);
  const statuses = await Promise.all(
    [
      ["POST", "/publish"],
      ["GET", "/events"],
      ["GET", "/stats"],
      ["GET", "/readyz"],
      ["GET", "/healthz"],
    ].map(async ([method, path]) => (await ask(method ?? "", path ?? "")).status),
  );
  expect(statuses).toEqual([404, 404, 200, 200, 200]);
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
