/** What a publisher may hold, and how it ends. */
import { afterEach, describe, expect, test } from "bun:test";
import { createPublisher, type NewEvent, PublishError, type PublisherOptions } from "../src/index.ts";
import { type Peer, startPeer, until } from "./peer.ts";

const peers: Peer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.stop();
});

/** A service that is away, until `lasting` is taken back. */
async function startAway(over: Partial<PublisherOptions> = {}) {
  const peer = await startPeer();
  peers.push(peer);
  peer.lasting = { kind: "status", status: 503 };
  const reported: PublishError[] = [];
  const publisher = createPublisher({
    url: peer.url,
    source: "test",
    onUndelivered: (error) => reported.push(error),
    ...over,
    batch: { lingerMs: 1, ...over.batch },
    retry: { delayMsInitial: 1, delayMsMax: 5, ...over.retry },
  });
  return { peer, publisher, reported };
}

const event = (n: number): NewEvent => ({ topic: "a.b", payload: { n } });

const kindOf = (publishing: Promise<unknown>): Promise<string> =>
  publishing.then(
    () => "acknowledged",
    (error: unknown) => (error instanceof PublishError ? error.kind : String(error)),
  );

describe("a full buffer", () => {
  test("turns away what is enqueued, and says which", async () => {
    const { peer, publisher, reported } = await startAway({ buffer: { eventsMax: 3 } });
    expect([0, 1, 2, 3, 4].map((n) => publisher.enqueue(event(n)))).toEqual([true, true, true, false, false]);
    expect(reported.map(({ kind, text }) => [kind, JSON.parse(text ?? "").payload])).toEqual([
      ["full", { n: 3 }],
      ["full", { n: 4 }],
    ]);
    peer.lasting = undefined;
    await publisher.flush();
    expect(peer.events.size).toBe(3);
    expect(publisher.enqueue(event(5))).toBe(true);
    await publisher.close();
  });

  test("is full by bytes too", async () => {
    const { publisher } = await startAway({ buffer: { bytesMax: 1000, whenFull: "reject" } });
    const large = { topic: "a.b", payload: { text: "x".repeat(400) } };
    const kinds = [1, 2, 3].map(() => kindOf(publisher.publish(large)));
    await publisher.close({ timeoutMs: 0 });
    expect(await Promise.all(kinds)).toEqual(["closed", "full", "full"]);
  });

  test("makes `publish` wait, in order, and no more wait than may be held", async () => {
    const { peer, publisher } = await startAway({ buffer: { eventsMax: 2 }, batch: { eventsMax: 1, inFlightMax: 1 } });
    const kinds = [0, 1, 2, 3, 4, 5].map((n) => kindOf(publisher.publish(event(n))));
    expect(publisher.counts.pending).toBe(2);
    expect(await Promise.all(kinds.slice(4))).toEqual(["full", "full"]);
    peer.lasting = undefined;
    expect(await Promise.all(kinds.slice(0, 4))).toEqual(Array(4).fill("acknowledged"));
    const order = [...peer.events.values()].map(({ payload }) => payload["n"]);
    expect(order).toEqual([0, 1, 2, 3]);
  });

  test("holds back who asks whether it is ready", async () => {
    const { peer, publisher, reported } = await startAway({ buffer: { eventsMax: 10 } });
    let enqueued = 0;
    const sending = (async () => {
      for (let n = 0; n < 50; n += 1) {
        await publisher.ready();
        if (publisher.enqueue(event(n))) enqueued += 1;
      }
    })();
    await until("it to be full and tried again", () => enqueued === 10 && peer.counts.requests > 3);
    expect(publisher.counts.pending).toBe(10);
    peer.lasting = undefined;
    await sending;
    await publisher.close();
    expect(reported).toEqual([]);
    expect(peer.events.size).toBe(50);
  });
});

describe("close", () => {
  test("delivers what there is, takes nothing more, and says the same when called again", async () => {
    const { peer, publisher } = await startAway({ batch: { lingerMs: 3_600_000 } });
    peer.lasting = undefined;
    for (let n = 0; n < 5; n += 1) publisher.enqueue(event(n));
    const closing = publisher.close();
    expect(await kindOf(publisher.publish(event(6)))).toBe("closed");
    expect(publisher.enqueue(event(7))).toBe(false);
    expect(await closing).toEqual({ undelivered: [] });
    expect(publisher.close()).toBe(closing);
    expect(peer.events.size).toBe(5);
  });

  test("lets in those who wait for room", async () => {
    const { peer, publisher } = await startAway({ buffer: { eventsMax: 2 } });
    const kinds = [0, 1, 2, 3].map((n) => kindOf(publisher.publish(event(n))));
    const closing = publisher.close();
    peer.lasting = undefined;
    expect(await closing).toEqual({ undelivered: [] });
    expect(await Promise.all(kinds)).toEqual(Array(4).fill("acknowledged"));
  });

  test("ends in time where nothing can be delivered, and reports each event", async () => {
    const { publisher, reported } = await startAway({
      buffer: { eventsMax: 4 },
      batch: { eventsMax: 2, inFlightMax: 1 },
    });
    for (let n = 0; n < 4; n += 1) publisher.enqueue(event(n));
    const waiting = kindOf(publisher.publish(event(4)));
    const startMs = performance.now();
    const { undelivered } = await publisher.close({ timeoutMs: 200 });
    expect(performance.now() - startMs).toBeLessThan(5000);
    expect(undelivered.map(({ kind }) => kind)).toEqual(Array(4).fill("closed"));
    expect(await waiting).toBe("closed");
    expect(reported.length).toBe(4);
    expect(publisher.counts).toMatchObject({ accepted: 4, undelivered: 4, pending: 0 });
  });

  test("does not wait for a wait: a Retry-After of a minute holds nobody up", async () => {
    const { peer, publisher } = await startAway();
    peer.lasting = { kind: "status", status: 503, headers: { "retry-after": "60" } };
    const kind = kindOf(publisher.publish(event(1)));
    await until("a first try", () => publisher.counts.retries > 0);
    await publisher.close({ timeoutMs: 0 });
    expect(await kind).toBe("closed");
  });

  test("at a signal is at once, also where it is closing slowly already", async () => {
    const stop = new AbortController();
    const { publisher } = await startAway({ signal: stop.signal });
    const kind = kindOf(publisher.publish(event(1)));
    const closing = publisher.close({ timeoutMs: 3_600_000 });
    stop.abort();
    expect((await closing).undelivered.length).toBe(1);
    expect(await kind).toBe("closed");
    const late = await startAway({ signal: stop.signal });
    expect(await kindOf(late.publisher.publish(event(1)))).toBe("closed");
  });
});

test.each([
  [{ url: "ftp://h" }, "not http"],
  [{ url: "http://user:secret@h" }, "use `key`"],
  [{ batch: { eventsMax: 0 } }, "eventsMax"],
  [{ buffer: { bytesMax: Number.NaN } }, "bytesMax"],
] as [Partial<PublisherOptions>, string][])("%j is not taken", (options, words) => {
  expect(() => createPublisher({ url: "http://127.0.0.1:9", ...options })).toThrow(words);
});
