/** Compressed bodies on `POST /publish`: the same events in fewer bytes, and no bomb. */
import { expect, test } from "bun:test";
import { brotliCompressSync, deflateSync, gzipSync, zstdCompressSync } from "node:zlib";
import { expectProblem, useTarget } from "../black-box/target.ts";
import { freshTopic, makeEvent, makeEvents } from "../harness/event-factory.ts";
import { request } from "../harness/http-client.ts";
import { rawRequest } from "../harness/raw-http.ts";

const target = useTarget();

const COMPRESSIONS = [
  ["gzip", gzipSync],
  ["deflate", deflateSync],
  ["zstd", zstdCompressSync],
] as const;
const BOMB_BYTES = 256 * 1024 * 1024;

async function publish(body: Uint8Array, coding: string, query = ""): Promise<Response> {
  const headers = { "content-type": "application/json", "content-encoding": coding };
  return await request(`${target.url}/publish${query}`, { method: "POST", headers, body: new Uint8Array(body) });
}

test.each(COMPRESSIONS)(
  "%s: a batch is stored, and what was sent plainly before is a duplicate",
  async (coding, by) => {
    const topic = freshTopic();
    const events = makeEvents(50, { topic });
    await target.publisher.publishStored(events.slice(0, 20));
    const response = await publish(by(JSON.stringify(events)), coding, "?ack=stored");
    expect(await response.json()).toMatchObject({ count: 50, unique: 30, duplicates: 20 });
    await target.shows(topic, 50);
  },
);

test.each(COMPRESSIONS)("%s: chunked bodies, too", async (coding, compress) => {
  const topic = freshTopic();
  const bytes = compress(JSON.stringify(makeEvents(3, { topic })));
  const headers = { "content-type": "application/json", "content-encoding": coding, "transfer-encoding": "chunked" };
  const pieces = Array.from(bytes, (byte) => String.fromCharCode(byte));
  const frames = pieces.map((piece) => Buffer.from(`1\r\n${piece}\r\n`, "latin1"));
  const body = Buffer.concat([...frames, Buffer.from("0\r\n\r\n")]);
  expect((await rawRequest(target.url, { headers, body })).status).toBe(200);
  await target.shows(topic, 3);
});

test.each(COMPRESSIONS)("%s: 413 for a bomb, and the service goes on", async (coding, compress) => {
  const response = await publish(compress(Buffer.alloc(BOMB_BYTES, " ")), coding);
  const problem = await expectProblem(response, 413);
  expect(problem.type).toBe("urn:sekali:problem:body-too-large");
  expect((await request(`${target.url}/healthz`)).status).toBe(200);
});

test.each(COMPRESSIONS)("%s: 400 for what is damaged or cut short, and nothing of it is stored", async (coding, by) => {
  const topic = freshTopic();
  const bytes = by(JSON.stringify(makeEvents(20, { topic })));
  await expectProblem(await publish(bytes.subarray(0, bytes.length - 3), coding), 400);
  await expectProblem(await publish(Buffer.from(JSON.stringify(makeEvent({ topic }))), coding), 400);
  await target.publisher.publishStored([makeEvent({ topic })]);
  await target.shows(topic, 1);
});

test("415 names the codings that are taken", async () => {
  const response = await publish(brotliCompressSync("[]"), "br");
  expect(response.headers.get("accept-encoding")).toBe("gzip, deflate, zstd, identity");
  await expectProblem(response, 415);
});
