import { expect, test } from "bun:test";
import { createLogger } from "../ops/log.ts";
import { SignalHub } from "../queue/signal-hub.ts";
import type { Cursor, FeedEvent, FeedPage, FeedQuery, FeedStore } from "../store/feed-port.ts";
import { decodeCursorText } from "./cursor-text.ts";
import { Subscriber } from "./subscriber.ts";
import { Tail } from "./tail.ts";

const INSTALLATION = "0123abcd-0000-4000-8000-000000000000";

/** A feed of two shards, with rows for exactly one page a tick. */
class Feed implements FeedStore {
  readonly installation = INSTALLATION;
  readonly #rows: FeedEvent[] = [];
  readonly reads: Cursor[] = [];

  store(shard: number, seq: number, topic = "a"): void {
    this.#rows.push({ shard, seq, topic, record: `{"at":"${shard}-${seq}"}` });
  }

  async read({ after }: FeedQuery): Promise<FeedPage> {
    this.reads.push(after);
    const events = this.#rows.filter(({ shard, seq }) => seq > (after.get(shard) ?? 0));
    const reached = new Map(after);
    for (const { shard, seq } of events) reached.set(shard, Math.max(seq, reached.get(shard) ?? 0));
    return { events, reached, isCaughtUp: true, isExpired: false };
  }

  async standing() {
    return [];
  }

  async before(): Promise<Cursor> {
    return new Map();
  }
}

function open(pattern = ">"): {
  subscriber: Subscriber;
  until: (count: number) => Promise<string[]>;
  id: () => string;
} {
  const subscriber = new Subscriber([pattern], new TextEncoder().encode(": open\n\n"), "");
  const reader = subscriber.stream.getReader();
  let text = "";
  return {
    subscriber,
    async until(count) {
      const seen = () => [...text.matchAll(/"at":"([^"]+)"/g)].map(([, at]) => at ?? "");
      while (seen().length < count) text += new TextDecoder().decode((await reader.read()).value);
      return seen();
    },
    id: () => [...text.matchAll(/^id: (.*)$/gm)].at(-1)?.[1] ?? "",
  };
}

const moved = { kind: "moved", shard: 0, position: { epoch: 1, seq: 1 } } as const;

test("who joins ahead of the tail in one shard and level in another gets each event once, and none is passed over", async () => {
  const feed = new Feed();
  const hub = new SignalHub();
  const tail = new Tail(feed, hub, createLogger("error"));
  const first = open();
  expect(tail.join(first.subscriber, new Map(), true)).toBe(true);
  // What the second has read by itself, before the tail has: two of shard 0, none of shard 1.
  for (const [shard, seq] of [
    [0, 1],
    [0, 2],
    [0, 3],
    [1, 1],
  ] as const)
    feed.store(shard, seq);
  const second = open();
  expect(tail.join(second.subscriber, new Map([[0, 2]]), true)).toBe(true);
  hub.emit(moved);
  expect(await first.until(4)).toEqual(["0-1", "0-2", "0-3", "1-1"]);
  expect(await second.until(2)).toEqual(["0-3", "1-1"]);
  feed.store(1, 2);
  hub.emit(moved);
  expect((await second.until(3)).at(-1)).toBe("1-2");
  expect(decodeCursorText(second.id(), INSTALLATION)).toEqual(
    new Map([
      [0, 3],
      [1, 2],
    ]),
  );
  first.subscriber.close();
  second.subscriber.close();
});

test("who comes back a little behind the tail joins from its memory, without a statement; who is farther behind must read", async () => {
  const feed = new Feed();
  const hub = new SignalHub();
  const tail = new Tail(feed, hub, createLogger("error"));
  const first = open();
  tail.join(first.subscriber, new Map([[0, 5]]), true);
  for (const seq of [6, 7, 8]) feed.store(0, seq, seq === 7 ? "b" : "a");
  hub.emit(moved);
  await first.until(3);
  const reads = feed.reads.length;
  const back = open("a");
  expect(tail.join(back.subscriber, new Map([[0, 6]]), false)).toBe(true);
  expect(await back.until(1)).toEqual(["0-8"]);
  expect(feed.reads.length).toBe(reads);
  const old = open();
  expect(tail.join(old.subscriber, new Map([[0, 4]]), true)).toBe(false);
  for (const { subscriber } of [first, back, old]) subscriber.close();
});

test("a tail that nobody follows rests, and is begun anew only by who is caught up", async () => {
  const feed = new Feed();
  const tail = new Tail(feed, new SignalHub(), createLogger("error"));
  const far = open();
  expect(tail.join(far.subscriber, new Map(), false)).toBe(false);
  expect(feed.reads).toEqual([]);
  far.subscriber.close();
});
