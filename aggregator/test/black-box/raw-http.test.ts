/** HTTP as it goes over the wire, and what the service tells about itself. */
import { expect, test } from "bun:test";
import { freshTopic, makeEvent } from "../harness/event-factory.ts";
import { request } from "../harness/http-client.ts";
import { exchange, parseReply, type RawReply, rawRequest } from "../harness/raw-http.ts";
import { expectDiscreet, useTarget } from "./target.ts";

const target = useTarget();
const HOST = "host: sekali.example\r\n";
const JSON_TYPE = { "content-type": "application/json" };

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

test("HEAD is GET without its body, and tells the body's length, or that nobody knows it", async () => {
  const ask = async (method: string, path: string, more = "") =>
    parseReply(await exchange(target.url, [`${method} ${path} HTTP/1.1\r\n${HOST}${more}connection: close\r\n\r\n`]));
  for (const path of ["/healthz", "/events?topic=a", "/openapi.json", "/topics?topic=a"]) {
    const [head, get] = [await ask("HEAD", path), await ask("GET", path)];
    expect({ path, status: head.status, body: head.body }).toEqual({ path, status: 200, body: "" });
    expect([path, head.headers.get("content-length")]).toEqual([path, get.headers.get("content-length")]);
  }
  for (const [path, more] of [
    ["/subscribe", ""],
    ["/events", "accept: application/x-ndjson\r\n"],
  ] as const) {
    const { status, body, headers } = await ask("HEAD", path, more);
    const framing = [headers.get("content-length"), headers.get("transfer-encoding")];
    expect({ path, status, body, framing }).toEqual({ path, status: 200, body: "", framing: [undefined, "chunked"] });
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
