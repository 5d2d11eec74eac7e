import { afterEach, describe, expect, test } from "bun:test";
import type { Event } from "@sekali/contract";
import { createPublisher, type NewEvent, PublishError, type PublisherOptions, RawJson } from "../src/index.ts";
import { type Peer, type PeerOptions, startPeer } from "./peer.ts";

const peers: Peer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.stop();
});

async function start(over: Partial<PublisherOptions> = {}, peerOptions: PeerOptions = {}) {
  const peer = await startPeer(peerOptions);
  peers.push(peer);
  const publisher = createPublisher({
    url: peer.url,
    source: "test",
    ...over,
    batch: { lingerMs: 5, ...over.batch },
    retry: { delayMsInitial: 1, delayMsMax: 5, ...over.retry },
  });
  return { peer, publisher };
}

function event(n: number, over: Partial<NewEvent> = {}): NewEvent {
  return { topic: "a.b", payload: { n }, ...over };
}

const events = (count: number) => Array.from({ length: count }, (_, n) => event(n));
const sentTo = (peer: Peer): Event[][] => peer.bodies.map((body) => JSON.parse(body) as Event[]);

async function failure(publishing: Promise<unknown>): Promise<PublishError> {
  const error = await publishing.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof PublishError)) throw new Error(`no PublishError but ${String(error)}`);
  return error;
}

describe("an event", () => {
  test("gets an id, a time and a source where it has none, and keeps what it has", async () => {
    const { peer, publisher } = await start();
    const given = {
      topic: "a.c",
      event_id: "9B2F4E70-3C1D-4C58-9D52-6D1D5D0C7A11",
      timestamp: "2026-01-31T12:00:00.123456+07:00",
      source: "else",
      payload: { deep: [1, null, "é"] },
    };
    const [made] = await Promise.all([publisher.publish(event(1)), publisher.publish(given)]);
    const [sent] = sentTo(peer);
    expect(sent?.[0]).toEqual({
      topic: "a.b",
      event_id: made.event_id,
      timestamp: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
      source: "test",
      payload: { n: 1 },
    });
    expect(made.event_id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-7/);
    expect(sent?.[1]).toEqual(given);
  });

  test("is read at once: what the caller does with the object later does not matter", async () => {
    const { peer, publisher } = await start();
    const payload = { n: 1 };
    const publishing = publisher.publish({ topic: "a.b", payload });
    payload.n = 2;
    await publishing;
    expect(sentTo(peer)[0]?.[0]?.payload).toEqual({ n: 1 });
  });

  test("carries a payload that is text already as it is", async () => {
    const { peer, publisher } = await start();
    await publisher.publish({ topic: "a.b", payload: new RawJson('{"id":9007199254740993}') });
    expect(peer.bodies[0]).toContain('"payload":{"id":9007199254740993}');
  });

  test("that can't be written as JSON is refused alone", async () => {
    const { publisher } = await start();
    const good = publisher.publish(event(1));
    const bad = failure(publisher.publish({ topic: "a.b", payload: { n: 1n } }));
    expect(await bad).toMatchObject({ kind: "refused", message: expect.stringContaining("BigInt") });
    expect(await good).toMatchObject({ status: "queued" });
  });
});

describe("batches", () => {
  test("go when they are full, and what is left after the linger", async () => {
    const { peer, publisher } = await start({ batch: { eventsMax: 10, inFlightMax: 2 } });
    await Promise.all(events(25).map((each) => publisher.publish(each)));
    expect(sentTo(peer).map((batch) => batch.length)).toEqual([10, 10, 5]);
    expect(peer.counts.inFlightMax).toBeLessThanOrEqual(2);
  });

  test("keep within their bytes, characters of several bytes counted as such", async () => {
    const bytesMax = 1000;
    const { peer, publisher } = await start({ batch: { bytesMax } });
    await Promise.all(events(30).map((each) => publisher.publish({ ...each, payload: { text: "é€😀".repeat(9) } })));
    expect(peer.events.size).toBe(30);
    expect(peer.bodies.length).toBeGreaterThan(3);
    for (const body of peer.bodies) expect(Buffer.byteLength(body)).toBeLessThanOrEqual(bytesMax);
  });

  test("do not linger at a flush, and it waits for what was published before", async () => {
    const { peer, publisher } = await start({ batch: { lingerMs: 3_600_000 } });
    for (const each of events(7)) publisher.enqueue(each);
    expect(peer.counts.requests).toBe(0);
    await publisher.flush();
    expect(publisher.counts).toMatchObject({ accepted: 7, acknowledged: 7, undelivered: 0, pending: 0 });
    await publisher.flush();
    expect(peer.counts.requests).toBe(1);
  });
});

describe("retries", () => {
  test("send the same bytes: the same ids and times", async () => {
    const { peer, publisher } = await start();
    peer.faults.push({ kind: "status", status: 503 }, { kind: "cut_reply" }, { kind: "status", status: 500 });
    const receipts = await Promise.all(events(5).map((each) => publisher.publish(each)));
    expect(peer.bodies.length).toBe(4);
    expect(new Set(peer.bodies).size).toBe(1);
    expect(peer.events.size).toBe(5);
    expect(new Set(receipts.map(({ event_id }) => event_id)).size).toBe(5);
    expect(publisher.counts).toMatchObject({ acknowledged: 5, retries: 3 });
  });

  test("wait as long as the service asks, and tell what it said", async () => {
    const said: unknown[] = [];
    const { peer, publisher } = await start({ onRetry: (retried) => said.push(retried) });
    peer.faults.push({ kind: "status", status: 503, headers: { "retry-after": "1" } });
    const startMs = performance.now();
    await publisher.publish(event(1));
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(990);
    expect(said).toEqual([expect.objectContaining({ attempt: 1, status: 503, reason: "503: as told" })]);
  });

  test("end at their bounds, and the event says so", async () => {
    const { peer, publisher } = await start({ retry: { attemptsMax: 3 } });
    peer.lasting = { kind: "status", status: 503 };
    expect(await failure(publisher.publish(event(1)))).toMatchObject({ kind: "given_up", status: 503, topic: "a.b" });
    expect(peer.counts.requests).toBe(3);
  });

  test("stop at a try that takes too long", async () => {
    const { peer, publisher } = await start({ requestTimeoutMs: 100 });
    peer.faults.push({ kind: "late_reply", ms: 2000 });
    await publisher.publish(event(1));
    // A busy machine may be too late for a second try, too.
    expect(peer.counts.deliveries).toBeGreaterThan(1);
    expect(peer.events.size).toBe(1);
  });
});

describe("what the service refuses", () => {
  test("an event that does not fit is reported with its place, and its neighbours are acknowledged", async () => {
    const { peer, publisher } = await start();
    const publishing = events(20).map((each, n) => publisher.publish(n % 7 === 3 ? { ...each, topic: "not a" } : each));
    const settled = await Promise.allSettled(publishing);
    expect(settled.map(({ status }) => status === "fulfilled")).toEqual(settled.map((_, n) => n % 7 !== 3));
    expect(peer.events.size).toBe(17);
    const error = await failure(publishing[3] ?? Promise.resolve());
    expect(error).toMatchObject({ kind: "refused", status: 422, topic: "not a" });
    expect(error.message).toBe("/3/topic: must not contain white space");
    expect(JSON.parse(error.text ?? "")).toMatchObject({ event_id: error.event_id ?? "", payload: { n: 3 } });
  });

  test("a batch that is too large for the service goes in halves", async () => {
    const { peer, publisher } = await start({}, { batchEventsMax: 3 });
    await Promise.all(events(10).map((each) => publisher.publish(each)));
    expect(peer.events.size).toBe(10);
  });

  test.each([401, 403])("%d is final: one request, and nobody tries again", async (status) => {
    const { peer, publisher } = await start({ key: "wrong" });
    peer.lasting = { kind: "status", status };
    const errors = await Promise.all(events(4).map((each) => failure(publisher.publish(each))));
    expect(errors.map(({ kind }) => kind)).toEqual(Array(4).fill("unauthorized"));
    expect(peer.counts.requests).toBe(1);
  });

  test("a topic that the key may not publish does not take the others with it", async () => {
    const { peer, publisher } = await start();
    const errors = [0, 2].map((n) => ({ pointer: `/${n}/topic`, detail: "is not one of this key's" }));
    peer.faults.push({ kind: "status", status: 403, body: { errors } });
    const topics = ["x.y", "a.b", "x.y", "c.d"];
    const settled = await Promise.allSettled(topics.map((topic, n) => publisher.publish(event(n, { topic }))));
    expect(settled.map(({ status }) => status)).toEqual(["rejected", "fulfilled", "rejected", "fulfilled"]);
    expect(peer.counts.requests).toBe(2);
  });

  test("a wrong address is no reason to try again", async () => {
    const { peer, publisher } = await start();
    peer.lasting = { kind: "status", status: 404 };
    expect(await failure(publisher.publish(event(1)))).toMatchObject({ kind: "given_up", status: 404 });
    expect(peer.counts.requests).toBe(1);
  });
});

test("verdicts come with `stored`", async () => {
  const { publisher } = await start({ ack: "stored" });
  const first = await publisher.publish(event(1));
  const again = await publisher.publish(event(1, { event_id: first.event_id }));
  expect([first, again].map((receipt) => receipt.status === "stored" && receipt.verdict)).toEqual([
    "stored",
    "duplicate",
  ]);
});

test("the key is sent as a bearer token, and asked for each time where it is a function", async () => {
  const keys = ["one", "two"];
  const { peer, publisher } = await start({ key: async () => keys.shift() ?? "" });
  peer.faults.push({ kind: "status", status: 503 });
  await publisher.publish(event(1));
  expect(peer.authorizations).toEqual(["Bearer one", "Bearer two"]);
});
