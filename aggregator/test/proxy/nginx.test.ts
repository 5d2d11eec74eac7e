/** ops/proxy/nginx.conf in a real nginx, where this machine has one: nothing is held back, cut off or kept. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { AggregatorProcess } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { Authority, type CertificateFiles, writeCertificate } from "../harness/certificates.ts";
import { freshTopic, makeEvent, makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { Follower } from "../harness/follower.ts";
import { post, request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { NGINX, type Nginx, startNginx } from "./nginx.ts";

useBackingServers();

let files: CertificateFiles;
let stack: Stack;
let nginx: Nginx;

beforeAll(async () => {
  files = writeCertificate(await (await Authority.make()).sign());
});
afterAll(() => rmSync(files.folder, { recursive: true, force: true }));

const lineOf = (event: unknown) => `${JSON.stringify(event)}\n`;

describe.skipIf(NGINX === null)("behind nginx", () => {
  beforeEach(async () => {
    stack = await openStack();
    const aggregator = await stack.start();
    nginx = await startNginx(aggregator.port, files);
  });
  afterEach(async () => {
    await nginx[Symbol.asyncDispose]();
    await stack[Symbol.asyncDispose]();
  });

  test("a stored event reaches a follower at once, while the stream stays open", async () => {
    const topic = freshTopic();
    const follower = new Follower(() => nginx.url, { topic });
    await follower.opened();
    for (let round = 1; round <= 3; round += 1) {
      await post(`${nginx.url}/publish?ack=stored`, makeEvent({ topic }));
      await follower.has(round, 5_000);
    }
    expect(follower.connections).toHaveLength(1);
    await follower.stop();
  });

  test("lines of a stream are stored before it has ended, and nothing of it lies on nginx's disk", async () => {
    const topic = freshTopic();
    const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
    const writer = writable.getWriter();
    const encoder = new TextEncoder();
    const reply = request(`${nginx.url}/publish`, {
      method: "POST",
      headers: { "content-type": "application/x-ndjson" },
      body: readable,
    });
    // More than one chunk of lines, so that the first is taken while the stream goes on.
    const first = makeEvents(1_500, { topic }).map(lineOf).join("");
    await writer.write(encoder.encode(first));
    await eventually(async () => {
      const page = await (await request(`${nginx.url}/events?topic=${topic}&limit=10`)).json();
      expect(page).toHaveLength(10);
    });
    expect(readdirSync(join(nginx.folder, "client_body"))).toEqual([]);
    await writer.write(encoder.encode(lineOf(makeEvent({ topic }))));
    await writer.close();
    expect(await (await reply).json()).toEqual({ status: "queued", count: 1_501 });
  });

  test("a body up to Sekali's own bound is taken, and past it Sekali says so, not nginx", async () => {
    const large = makeEvent({ payload: { text: "x".repeat(5 * 1024 * 1024 - 1_000) } });
    expect((await post(`${nginx.url}/publish`, large)).status).toBe(200);
    const tooLarge = await post(`${nginx.url}/publish`, makeEvent({ payload: { text: "x".repeat(6 * 1024 * 1024) } }));
    expect(tooLarge.status).toBe(413);
    expect(tooLarge.headers.get("content-type")).toBe("application/problem+json");
  });

  test("answers longer than its buffers come whole, and pages follow each other", async () => {
    const topic = freshTopic();
    const events = makeEvents(400, { topic, payload: { text: "y".repeat(4_000) } });
    await stack.publisher.publishStored(events);
    const lines = await request(`${nginx.url}/events?topic=${topic}`, { headers: { accept: "application/x-ndjson" } });
    expect((await lines.text()).trimEnd().split("\n")).toHaveLength(400);
    const page = await request(`${nginx.url}/events?topic=${topic}&limit=10`);
    const next = /^<([^>]+)>; rel="next"/.exec(page.headers.get("link") ?? "")?.[1] ?? "";
    const following = await request(new URL(next, `${nginx.url}/events`).href);
    expect(new URL(following.url).origin).toBe(nginx.url);
    expect(await following.json()).toHaveLength(10);
  });

  test("while the aggregator is away nginx says so at once, and goes on with it by itself", async () => {
    const [aggregator] = stack.aggregators;
    await aggregator?.kill();
    expect((await post(`${nginx.url}/publish`, makeEvent())).status).toBe(502);
    const port = Number(aggregator?.port);
    const next = await (await AggregatorProcess.spawn(stack.environment(), { port })).ready();
    expect((await post(`${nginx.url}/publish`, makeEvent())).status).toBe(200);
    await next.kill();
  });
});
