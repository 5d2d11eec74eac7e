import { afterEach, describe, expect, test } from "bun:test";
import { pause, type Retried } from "../src/retry.ts";
import { createTransport, publishUrl, type TransportOptions } from "../src/transport.ts";
import { type Peer, type PeerOptions, startPeer, until } from "./peer.ts";

const peers: Peer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.stop();
});

async function start(options: PeerOptions = {}): Promise<Peer> {
  const peer = await startPeer(options);
  peers.push(peer);
  return peer;
}

const BODY = JSON.stringify({
  topic: "a.b",
  event_id: "0190163d-8694-739b-aea5-966c26f8ad91",
  timestamp: "2026-11-23T15:55:50Z",
  source: "test",
  payload: {},
});

const never = new AbortController().signal;

function connect(url: string, bounds: Partial<TransportOptions["retry"]> = {}, requestTimeoutMs = 5000) {
  const retried: Retried[] = [];
  const client = createTransport({
    target: new URL(url),
    ack: "queued",
    requestTimeoutMs,
    retry: { attemptsMax: 10, elapsedMsMax: 10_000, delayMsInitial: 1, delayMsMax: 5, ...bounds },
    onRetry: (event) => retried.push(event),
  });
  return { client, retried };
}

describe("retries", () => {
  test("the same bytes go again until they are acknowledged", async () => {
    const peer = await start();
    peer.faults.push({ kind: "status", status: 503 }, { kind: "status", status: 500 }, { kind: "status", status: 429 });
    const { client, retried } = connect(peer.url);
    expect(await client.publish(BODY, 1, never)).toMatchObject({ kind: "acknowledged", status: 200 });
    expect(peer.bodies).toEqual([BODY, BODY, BODY, BODY]);
    expect(retried.map(({ status }) => status)).toEqual([503, 500, 429]);
  });

  test("a reply that breaks off is no success, and sending again makes no second event", async () => {
    const peer = await start();
    peer.faults.push({ kind: "cut_reply" });
    const { client } = connect(peer.url);
    expect((await client.publish(BODY, 1, never)).kind).toBe("acknowledged");
    expect(peer.counts.deliveries).toBe(2);
    expect(peer.events.size).toBe(1);
  });

  test("a reply that is too late is not waited for", async () => {
    const peer = await start();
    peer.faults.push({ kind: "late_reply", ms: 2000 });
    const { client, retried } = connect(peer.url, {}, 100);
    expect((await client.publish(BODY, 1, never)).kind).toBe("acknowledged");
    expect(retried[0]?.reason).toContain("no reply within 100 ms");
  });

  test("an aggregator that is away is tried again until it is there", async () => {
    const gone = await start();
    const port = Number(new URL(gone.url).port);
    await gone.stop();
    const { client, retried } = connect(gone.url, { attemptsMax: 1000, delayMsMax: 50 });
    const publishing = client.publish(BODY, 1, never);
    await until("three tries", () => retried.length >= 3);
    expect(client.hasAnswered()).toBe(false);
    const back = await start({ port });
    expect((await publishing).kind).toBe("acknowledged");
    expect(back.events.size).toBe(1);
    expect(client.hasAnswered()).toBe(true);
  });

  test("Retry-After is waited for", async () => {
    const peer = await start();
    peer.faults.push({ kind: "status", status: 503, headers: { "retry-after": "1" } });
    const { client, retried } = connect(peer.url);
    const startMs = performance.now();
    expect((await client.publish(BODY, 1, never)).kind).toBe("acknowledged");
    expect(performance.now() - startMs).toBeGreaterThanOrEqual(990);
    expect(retried[0]?.delayMs).toBeGreaterThanOrEqual(1000);
  });

  test.each([408, 425, 507, 520, 524, 530])("%d, which a proxy may say, is tried again", async (status) => {
    const peer = await start();
    peer.faults.push({ kind: "status", status });
    const { client } = connect(peer.url);
    expect((await client.publish(BODY, 1, never)).kind).toBe("acknowledged");
    expect(peer.counts.requests).toBe(2);
  });

  test.each([400, 404, 413, 415, 422, 501, 505])("%d is not tried again", async (status) => {
    const peer = await start();
    peer.lasting = { kind: "status", status };
    const { client } = connect(peer.url);
    expect(await client.publish(BODY, 1, never)).toMatchObject({ kind: "refused", status });
    expect(peer.counts.requests).toBe(1);
  });
});

describe("what no timer holds", () => {
  test.each([2 ** 31, 1e15, Number.POSITIVE_INFINITY])("a wait of %d ms is a long one", async (ms) => {
    const stop = new AbortController();
    const first = await Promise.race([
      pause(ms, stop.signal).then(() => "the long one"),
      pause(50, stop.signal).then(() => "the short one"),
    ]);
    stop.abort();
    expect(first).toBe("the short one");
  });

  test.each([2 ** 31, Number.POSITIVE_INFINITY])("a reply may take %d ms", async (timeoutMs) => {
    const peer = await start();
    peer.faults.push({ kind: "late_reply", ms: 100 });
    const { client, retried } = connect(peer.url, {}, timeoutMs);
    expect((await client.publish(BODY, 1, never)).kind).toBe("acknowledged");
    expect(retried).toEqual([]);
  });
});

test("a redirection is not followed: behind it even a GET without events can be answered like a success", async () => {
  const cheerful = Bun.serve({ port: 0, fetch: () => Response.json({ status: "queued", count: 1 }) });
  const peer = await start();
  peer.lasting = { kind: "status", status: 302, headers: { location: cheerful.url.href } };
  try {
    const { client } = connect(peer.url);
    expect(await client.publish(BODY, 1, never)).toMatchObject({ kind: "refused", status: 302 });
  } finally {
    await cheerful.stop(true);
  }
});

describe("bounds", () => {
  test("attempts", async () => {
    const peer = await start();
    peer.lasting = { kind: "status", status: 503 };
    const { client } = connect(peer.url, { attemptsMax: 3 });
    expect(await client.publish(BODY, 1, never)).toMatchObject({ kind: "given_up", status: 503 });
    expect(peer.counts.requests).toBe(3);
  });

  test("one attempt means none again", async () => {
    const peer = await start();
    peer.lasting = { kind: "status", status: 503 };
    const { client } = connect(peer.url, { attemptsMax: 1 });
    expect((await client.publish(BODY, 1, never)).kind).toBe("given_up");
    expect(peer.counts.requests).toBe(1);
  });

  test("elapsed time", async () => {
    const peer = await start();
    peer.lasting = { kind: "status", status: 503 };
    const { client, retried } = connect(peer.url, { attemptsMax: 1_000_000, elapsedMsMax: 500 });
    expect((await client.publish(BODY, 1, never)).kind).toBe("given_up");
    expect(retried.length).toBeGreaterThan(0);
  });

  test("a Retry-After past the elapsed time is not waited for", async () => {
    const peer = await start();
    peer.lasting = { kind: "status", status: 503, headers: { "retry-after": "3600" } };
    const { client, retried } = connect(peer.url, { elapsedMsMax: 600_000 });
    expect((await client.publish(BODY, 1, never)).kind).toBe("given_up");
    expect(retried).toEqual([]);
  });

  test("the signal ends a wait at once", async () => {
    const peer = await start();
    peer.lasting = { kind: "status", status: 503, headers: { "retry-after": "60" } };
    const { client, retried } = connect(peer.url, { elapsedMsMax: 120_000 });
    const stop = new AbortController();
    const publishing = client.publish(BODY, 1, stop.signal);
    await until("a first try", () => retried.length > 0);
    stop.abort();
    expect(await publishing).toMatchObject({ kind: "given_up", reason: "stopped" });
  });

  test("delays have full jitter below an exponential ceiling", async () => {
    const peer = await start();
    peer.lasting = { kind: "status", status: 503 };
    const { client, retried } = connect(peer.url, { attemptsMax: 8, delayMsInitial: 8, delayMsMax: 64 });
    await client.publish(BODY, 1, never);
    const ceilings = [8, 16, 32, 64, 64, 64, 64];
    expect(retried.map(({ delayMs }, index) => delayMs < (ceilings[index] ?? 0))).toEqual(ceilings.map(() => true));
  });
});

test("the address is the target's path and publish, whatever stands around it", () => {
  expect(publishUrl(new URL("http://h:1"), "queued").href).toBe("http://h:1/publish");
  expect(publishUrl(new URL("http://h:1/base/?x=1#y"), "stored").href).toBe("http://h:1/base/publish?ack=stored");
});
