/** What no well-behaved client sends, and what the service tells about itself. */
import { expect, test } from "bun:test";
import { freshTopic, makeEvent } from "../harness/event-factory.ts";
import { request } from "../harness/http-client.ts";
import { chunked, exchange, parseReply, type RawReply, rawRequest } from "../harness/raw-http.ts";
import { expectDiscreet, useTarget } from "./target.ts";

const target = useTarget();
const HOST = "host: sekali.example\r\n";
const JSON_TYPE = { "content-type": "application/json" };
/** Past every body limit that the tests may meet: the default is 5 MiB. */
const OVERSIZE_BYTES = 6 * 1024 * 1024;

function expectRawProblem(reply: RawReply, status: number): void {
  expect({ status: reply.status, body: reply.status === status ? "" : reply.body }).toEqual({ status, body: "" });
  expect(reply.headers.get("content-type")).toStartWith("application/problem+json");
  expectDiscreet(reply.body);
}

test("400: bytes that are not UTF-8, wherever they stand", async () => {
  const [before = "", after = ""] = JSON.stringify(makeEvent({ topic: freshTopic(), source: "HERE" })).split("HERE");
  for (const bad of [[0xff], [0xc3], [0xed, 0xa0, 0x80], [0xf5, 0x80, 0x80, 0x80], [0xc0, 0xaf]]) {
    const body = Buffer.concat([Buffer.from(before), Buffer.from(bad), Buffer.from(after)]);
    expectRawProblem(await rawRequest(target.url, { headers: JSON_TYPE, body }), 400);
  }
});

test("413: a body that announces more than is taken", async () => {
  const body = Buffer.alloc(OVERSIZE_BYTES, " ");
  const reply = await rawRequest(target.url, { headers: JSON_TYPE, body });
  expectRawProblem(reply, 413);
});

test("413: a chunked body that turns out to be more", async () => {
  const body = chunked(Array.from({ length: OVERSIZE_BYTES / 65_536 }, () => " ".repeat(65_536)));
  const reply = await rawRequest(target.url, { headers: { ...JSON_TYPE, "transfer-encoding": "chunked" }, body });
  expectRawProblem(reply, 413);
});

test("a chunked body within the limit is taken, wherever it is cut", async () => {
  const topic = freshTopic();
  const text = JSON.stringify([makeEvent({ topic, source: "漢字" })]);
  const bytes = Buffer.from(text);
  const cut = bytes.indexOf(Buffer.from("漢")) + 1;
  const parts = [bytes.subarray(0, cut), bytes.subarray(cut)];
  const chunks = parts.flatMap((part) => [Buffer.from(`${part.length.toString(16)}\r\n`), part, Buffer.from("\r\n")]);
  const body = Buffer.concat([...chunks, Buffer.from("0\r\n\r\n")]);
  const reply = await rawRequest(target.url, { headers: { ...JSON_TYPE, "transfer-encoding": "chunked" }, body });
  expect(reply.status).toBe(200);
  expect((await target.shows(topic, 1))[0]?.source).toBe("漢字");
});

test("431 or a closed connection: headers past any measure", async () => {
  const reply = await rawRequest(target.url, {
    method: "GET",
    path: "/healthz",
    headers: { "x-large": "x".repeat(200_000) },
  });
  expect([431, 400, Number.NaN]).toContain(reply.status);
  expectDiscreet(reply.body);
  expect((await request(`${target.url}/healthz`)).status).toBe(200);
});

test.each(["NONSENSE\r\n\r\n", "GET\r\n\r\n", "GET / HTTP/9.9\r\n\r\n", "\u0000\u0001\u0002\r\n\r\n"])(
  "what is not HTTP (%j) does no harm and learns nothing",
  async (text) => {
    expectDiscreet(await exchange(target.url, [text]));
    expect((await request(`${target.url}/healthz`)).status).toBe(200);
  },
);

test("a length and chunks at once are not taken for two requests", async () => {
  const smuggled = "GET /smuggled HTTP/1.1\r\nhost: x\r\n\r\n";
  const head = `POST /publish HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\nconnection: close\r\n`;
  const lengths = `content-length: ${5 + smuggled.length}\r\ntransfer-encoding: chunked\r\n`;
  const both = `${head}${lengths}\r\n0\r\n\r\n${smuggled}`;
  const text = await exchange(target.url, [both]);
  expect(text.match(/HTTP\/1\.1 \d+/g)?.length ?? 0).toBeLessThanOrEqual(1);
});

test("several requests on one connection are answered in their order", async () => {
  const head = `${HOST}content-type: application/json\r\n`;
  const empty = `POST /publish HTTP/1.1\r\n${head}content-length: 2\r\n\r\n[]`;
  const bad = `POST /publish HTTP/1.1\r\n${head}content-length: 1\r\n\r\n{`;
  const last = `GET /healthz HTTP/1.1\r\n${head}connection: close\r\n\r\n`;
  const text = await exchange(target.url, [empty + bad + last]);
  expect(text.match(/HTTP\/1\.1 \d+/g)).toEqual(["HTTP/1.1 200", "HTTP/1.1 400", "HTTP/1.1 200"]);
});

test("HEAD is GET without its body", async () => {
  for (const path of ["/stats", "/healthz", "/readyz", "/events?topic=a"]) {
    const reply = parseReply(await exchange(target.url, [`HEAD ${path} HTTP/1.1\r\n${HOST}connection: close\r\n\r\n`]));
    expect({ path, status: reply.status, body: reply.body }).toEqual({ path, status: 200, body: "" });
  }
});

test.each(["x", "api", "sekali.example:8080", "127.0.0.1", "[::1]"])("the Host %s is as good as any", async (host) => {
  const reply = await rawRequest(target.url, { method: "GET", path: "/healthz", headers: { host } });
  expect(reply.status).toBe(200);
});

test("OPTIONS names the methods of a path", async () => {
  const reply = await rawRequest(target.url, { method: "OPTIONS", path: "/publish" });
  expect([200, 204, 405]).toContain(reply.status);
  expect(reply.headers.get("allow")).toContain("POST");
});

test("no reply names the software that gives it", async () => {
  const replies = [
    await rawRequest(target.url, { method: "GET", path: "/stats" }),
    await rawRequest(target.url, { method: "GET", path: "/nowhere" }),
    await rawRequest(target.url, { headers: JSON_TYPE, body: "{" }),
  ];
  for (const { headers, text } of replies) {
    expect(headers.get("server") ?? "").toBe("");
    expect(headers.get("x-powered-by") ?? "").toBe("");
    expectDiscreet(text);
  }
});

test("health says alive, readiness names each dependency", async () => {
  const health = await request(`${target.url}/healthz`);
  expect(health.status).toBe(200);
  expect(await health.json()).toMatchObject({ status: "alive" });
  const readiness = await request(`${target.url}/readyz`);
  expect(readiness.status).toBe(200);
  const { status, dependencies } = (await readiness.json()) as {
    status: string;
    dependencies: Record<string, unknown>;
  };
  expect(status).toBe("ready");
  expect(Object.keys(dependencies).sort()).toEqual(["postgres", "redis"]);
});
