/** Newline-delimited JSON on `POST /publish`: streams of any length, errors by line. */
import { expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { expectProblem, useTarget } from "../black-box/target.ts";
import { freshTopic, makeEvent, makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

const target = useTarget();

const NDJSON = { "content-type": "application/x-ndjson" };

function linesOf(events: readonly unknown[]): string {
  return events.map((event) => `${JSON.stringify(event)}\n`).join("");
}

async function publish(
  body: string | Uint8Array<ArrayBuffer> | ReadableStream<Uint8Array>,
  headers: Record<string, string> = NDJSON,
  query = "",
): Promise<Response> {
  return await request(`${target.url}/publish${query}`, { method: "POST", headers, body });
}

/** A body that arrives as it is written. */
function writable(): { body: ReadableStream<Uint8Array>; write(text: string): void; end(): void } {
  const { readable, writable } = new TransformStream<Uint8Array, Uint8Array>();
  const writer = writable.getWriter();
  return {
    body: readable,
    write: (text) => void writer.write(new TextEncoder().encode(text)).catch(() => undefined),
    end: () => void writer.close().catch(() => undefined),
  };
}

test.each(["application/x-ndjson", "application/jsonl", "Application/X-NDJSON; charset=utf-8"])(
  "%s: each line is an event",
  async (type) => {
    const topic = freshTopic();
    const response = await publish(linesOf(makeEvents(5, { topic })), { "content-type": type });
    expect(await response.json()).toEqual({ status: "queued", count: 5 });
    await target.shows(topic, 5);
  },
);

test("a stream longer than any batch or body is taken, and verdicts are added up", async () => {
  const topic = freshTopic();
  const events = makeEvents(12_000, { topic, payload: { text: "x".repeat(500) } });
  await target.publisher.publishStored(events.slice(0, 100));
  const text = linesOf(events);
  expect(text.length).toBeGreaterThan(6 * 1024 * 1024);
  const reply = await publish(text, NDJSON, "?ack=stored");
  expect(await reply.json()).toEqual({
    status: "stored",
    count: 12_000,
    unique: 11_900,
    duplicates: 100,
    dead_lettered: 0,
  });
  const again = await publish(new Uint8Array(gzipSync(text)), { ...NDJSON, "content-encoding": "gzip" }, "?ack=stored");
  expect(await again.json()).toMatchObject({ count: 12_000, unique: 0, duplicates: 12_000 });
});

test("an empty stream is 200 with count 0", async () => {
  expect(await (await publish("")).json()).toEqual({ status: "queued", count: 0 });
});

test("a line is queued soon, though the request goes on", async () => {
  const topic = freshTopic();
  const { body, write, end } = writable();
  const response = publish(body);
  write(linesOf(makeEvents(1, { topic })));
  await target.shows(topic, 1);
  write(linesOf(makeEvents(2, { topic })));
  await target.shows(topic, 3);
  end();
  expect(await (await response).json()).toEqual({ status: "queued", count: 3 });
});

test("422 names each bad line of a chunk, and nothing of the chunk is queued", async () => {
  const topic = freshTopic();
  const [first, , third] = makeEvents(3, { topic });
  const text = `${linesOf([first, { ...third, event_id: "no" }])}{"topic":\n[]\n\n${linesOf([third])}\u00ff`;
  const problem = await expectProblem(await publish(text), 422);
  expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(["/1/event_id", "/2", "/3", "/4", "/6"]);
  expect(problem.errors?.every(({ pointer, detail }) => detail.startsWith(`line ${Number(pointer[1]) + 1}: `))).toBe(
    true,
  );
  expect(problem).toMatchObject({ accepted: 0 });
  await target.publisher.publishStored([makeEvent({ topic })]);
  await target.shows(topic, 1);
});

test("422 in a long stream says how many lines before are queued; mended, all of it can be sent again", async () => {
  const topic = freshTopic();
  const events: unknown[] = makeEvents(5_000, { topic });
  const good = events[4_500];
  events[4_500] = { ...(good as object), surprise: 1 };
  const problem = await expectProblem(await publish(linesOf(events)), 422);
  expect(problem.errors).toEqual([{ pointer: "/4500/surprise", detail: expect.stringContaining("line 4501: ") }]);
  const { accepted } = problem as unknown as { accepted: number };
  expect(accepted).toBe(4_000);
  events[4_500] = good;
  const reply = await publish(linesOf(events), NDJSON, "?ack=stored");
  expect(await reply.json()).toMatchObject({ count: 5_000, unique: 1_000, duplicates: 4_000 });
});

test("413 for a line without end; 400 for a compressed stream that is cut short, which queues no part of a line", async () => {
  const { body, write, end } = writable();
  const response = publish(body);
  for (let piece = 0; piece < 96; piece += 1) write("x".repeat(65_536));
  end();
  const problem = await expectProblem(await response, 413);
  expect(problem.errors?.[0]?.pointer).toBe("/0");
  const topic = freshTopic();
  const bytes = gzipSync(linesOf(makeEvents(10, { topic })));
  const cut = await publish(new Uint8Array(bytes.subarray(0, -4)), { ...NDJSON, "content-encoding": "gzip" });
  expect(await expectProblem(cut, 400)).toMatchObject({ accepted: 0 });
});

test("415 for a second coding, and for another charset; Accept names what is taken", async () => {
  const twice = await publish("", { ...NDJSON, "content-encoding": "gzip, gzip" });
  await expectProblem(twice, 415);
  const response = await publish("", { "content-type": "application/x-ndjson; charset=latin1" });
  expect(response.headers.get("accept")).toBe("application/json, application/x-ndjson, application/jsonl");
  await expectProblem(response, 415);
});

test("a full queue slows a stream down; where nothing drains it, 503 says what is queued, and all can be sent again", async () => {
  await using stack = await openStack({
    env: { QUEUE_EVENTS_MAX: "3000", BATCH_EVENTS_MAX: "1000", SHARDS: "2", ROLES: "api" },
  });
  const { url } = await stack.start();
  const topic = freshTopic();
  const text = linesOf(makeEvents(10_000, { topic }));
  const response = await request(`${url}/publish`, { method: "POST", headers: NDJSON, body: text });
  expect(response.headers.get("retry-after")).toBe("1");
  const { accepted } = (await expectProblem(response, 503)) as unknown as { accepted: number };
  expect(accepted).toBeGreaterThanOrEqual(1000);
  expect(accepted).toBeLessThanOrEqual(3000);
  await stack.start({ ROLES: "worker" });
  const again = await request(`${url}/publish`, { method: "POST", headers: NDJSON, body: text });
  expect(await again.json()).toEqual({ status: "queued", count: 10_000 });
  await eventually(async () => {
    const stats = (await (await request(`${url}/stats`)).json()) as Record<string, number>;
    expect(stats).toMatchObject({ queued: 0, unique_processed: 10_000 });
  });
});

test("a restart while a stream is being sent: sent again, each line is stored once", async () => {
  await using stack = await openStack();
  const aggregator = await stack.start();
  const topic = freshTopic();
  const events = makeEvents(3_000, { topic });
  const { body, write } = writable();
  const broken = request(`${aggregator.url}/publish`, { method: "POST", headers: NDJSON, body }).then(
    (response) => response.status,
    () => "broken",
  );
  write(linesOf(events.slice(0, 2_000)));
  await eventually(async () => {
    const [row] = await stack.sql<{ count: number }[]>`SELECT count(*)::int AS count FROM events`;
    expect(row?.count).toBe(2_000);
  });
  await aggregator.kill();
  expect(await broken).not.toBe(200);
  const { url } = await stack.start();
  const reply = await request(`${url}/publish?ack=stored`, { method: "POST", headers: NDJSON, body: linesOf(events) });
  expect(await reply.json()).toMatchObject({ count: 3_000, unique: 1_000, duplicates: 2_000 });
});
