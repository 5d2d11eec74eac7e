import { afterEach, describe, expect, test } from "bun:test";
import { type Peer, type PeerOptions, startPeer, until } from "@sekali/client/test/peer";
import { createTransport } from "@sekali/client/wire";
import pino from "pino";
import { deliver } from "../src/ship/delivery.ts";
import type { LineEvent } from "../src/ship/line-event.ts";
import { Sender } from "../src/ship/sender.ts";
import { emptyTally, isWhole } from "../src/ship/tally.ts";

const peers: Peer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.stop();
});

async function start(options: PeerOptions & { attemptsMax?: number } = {}) {
  const peer = await startPeer(options);
  peers.push(peer);
  const client = createTransport({
    target: new URL(peer.url),
    ack: "stored",
    requestTimeoutMs: 5000,
    retry: { attemptsMax: options.attemptsMax ?? 3, elapsedMsMax: 5000, delayMsInitial: 1, delayMsMax: 2 },
    onRetry: () => {},
  });
  const tally = emptyTally();
  const settled: LineEvent[] = [];
  const context = {
    client,
    log: pino({ level: "silent" }),
    deadline: new AbortController().signal,
    tally,
    onSettled: (events: readonly LineEvent[]) => void settled.push(...events),
  };
  return { peer, tally, settled, context };
}

function lineEvent(number: number, topic = "a.b"): LineEvent {
  const eventId = `00000000-0000-4000-8000-${String(number).padStart(12, "0")}`;
  const text = JSON.stringify({
    topic,
    event_id: eventId,
    timestamp: "2026-01-01T00:00:00Z",
    source: "s",
    payload: {},
  });
  return { eventId, text, textBytes: text.length, number, fileBytes: 10 };
}

const many = (count: number, isBad: (n: number) => boolean = () => false) =>
  Array.from({ length: count }, (_, n) => lineEvent(n, isBad(n) ? "not a topic" : "a.b"));

describe("a batch with events that the aggregator refuses", () => {
  test("loses these by name and nothing else", async () => {
    const { peer, tally, settled, context } = await start();
    const halt = await deliver(
      many(10, (n) => n === 3 || n === 7),
      context,
    );
    expect(halt).toBeUndefined();
    expect(tally).toMatchObject({ sent: 10, acknowledged: 8, stored: 8, refused: 2, given_up: 0 });
    expect(peer.events.size).toBe(8);
    expect(peer.counts.requests).toBe(2);
    expect(settled.length).toBe(10);
  });

  test("ends also where more are bad than one reply names", async () => {
    const { tally, context } = await start();
    await deliver(
      many(100, (n) => n % 2 === 0),
      context,
    );
    expect(tally).toMatchObject({ acknowledged: 50, refused: 50 });
  });

  test("is halved where no place is named, until the bad one stands alone", async () => {
    const { peer, tally, context } = await start();
    peer.lasting = { kind: "status", status: 422 };
    await deliver(many(8), context);
    expect(tally).toMatchObject({ acknowledged: 0, refused: 8 });
    expect(peer.counts.requests).toBe(15);
  });

  test("is halved where it is too large for the aggregator", async () => {
    const { tally, context, peer } = await start({ batchEventsMax: 3 });
    await deliver(many(10), context);
    expect(tally).toMatchObject({ acknowledged: 10, stored: 10, refused: 0 });
    expect(peer.events.size).toBe(10);
  });
});

describe("a batch that can't be delivered", () => {
  test("is given up after the last try, and says why", async () => {
    const { peer, tally, context } = await start();
    peer.lasting = { kind: "status", status: 503 };
    expect(await deliver(many(4), context)).toEqual({ reason: "503: as told" });
    expect(tally).toMatchObject({ sent: 4, acknowledged: 0, given_up: 4 });
  });

  test("is given up at once where the address is wrong", async () => {
    const { peer, tally, context } = await start();
    peer.lasting = { kind: "status", status: 404 };
    expect(await deliver(many(4), context)).toEqual({ reason: "404: as told" });
    expect(peer.counts.requests).toBe(1);
    expect(tally.given_up).toBe(4);
  });

  test("a reply that is lost makes duplicates of what is sent again, not losses", async () => {
    const { peer, tally, context } = await start();
    peer.faults.push({ kind: "cut_reply" });
    await deliver(many(4), context);
    expect(tally).toMatchObject({ acknowledged: 4, stored: 0, duplicates: 4 });
    expect(peer.events.size).toBe(4);
  });
});

describe("the sender", () => {
  test("keeps within its bounds of lines, bytes and requests under way", async () => {
    const { peer, tally, context } = await start({ delayMs: 5 });
    const events = many(100);
    const [first] = events;
    const bytesMax = 2 + 10 * ((first?.textBytes ?? 0) + 1);
    const sender = new Sender({ linesMax: 50, bytesMax, inFlightMax: 2 }, context);
    for (const event of events) await sender.add(event);
    await sender.finish();
    expect(tally).toMatchObject({ read: 100, acknowledged: 100, unsent: 0 });
    expect(peer.counts.requests).toBe(10);
    expect(peer.counts.inFlightMax).toBe(2);
    expect(Math.max(...peer.bodies.map((body) => body.length))).toBeLessThanOrEqual(bytesMax);
  });

  test("makes the reader wait while all places are taken", async () => {
    const { peer, context } = await start({ attemptsMax: 1000 });
    peer.lasting = { kind: "status", status: 503 };
    const sender = new Sender({ linesMax: 1, bytesMax: 1024, inFlightMax: 2 }, context);
    let added = 0;
    const adding = (async () => {
      for (const event of many(5)) {
        await sender.add(event);
        added += 1;
      }
    })();
    await until("both places to be tried again", () => peer.counts.requests >= 6);
    expect(added).toBe(2);
    peer.lasting = undefined;
    await adding;
    await sender.finish();
    expect(peer.events.size).toBe(5);
  });

  test("an event larger than the bound travels alone", async () => {
    const { peer, context } = await start();
    const sender = new Sender({ linesMax: 50, bytesMax: 10, inFlightMax: 2 }, context);
    for (const event of many(3)) await sender.add(event);
    await sender.finish();
    expect(peer.counts.requests).toBe(3);
  });

  test("sends nothing more once a batch was given up, and leaves nothing out of the sums", async () => {
    const { peer, tally, context } = await start();
    peer.lasting = { kind: "status", status: 404 };
    const sender = new Sender({ linesMax: 10, bytesMax: 1e6, inFlightMax: 1 }, context);
    for (const event of many(35)) await sender.add(event);
    await sender.finish();
    expect(sender.halt?.reason).toBe("404: as told");
    expect(peer.counts.requests).toBe(1);
    expect(tally).toMatchObject({ read: 35, sent: 10, given_up: 10, unsent: 25 });
    expect(isWhole(tally)).toBe(true);
  });
});
