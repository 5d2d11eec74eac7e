import { describe, expect, test } from "bun:test";
import { StatsReplySchema } from "@sekali/contract";
import { Value } from "@sinclair/typebox/value";
import { MemoryQueue } from "../../test/fakes/memory-queue.ts";
import { EVERYBODY } from "../access/caller.ts";
import type { Position } from "../queue/port.ts";
import type { EventStore, Tally, TopicCount } from "../store/port.ts";
import { StoreAway } from "../store/port.ts";
import { describeStuck, formatUptime, StatsRoute } from "./stats-route.ts";

const count = (unique_processed: number, duplicate_dropped = 0, dead_lettered = 0, conflicts = 0): TopicCount => ({
  unique_processed,
  duplicate_dropped,
  conflicts,
  dead_lettered,
});

const NOBODY_RESENDS = { resending: async () => ({ duplicates: 0, since: null, sources: [] }) };

function route(tally: Partial<Tally>, heads: Record<number, Position> = {}) {
  const queue = new MemoryQueue();
  for (const [shard, head] of Object.entries(heads)) queue.shard(Number(shard)).head = head;
  const calls: string[] = [];
  queue.before = (operation) => void calls.push(operation);
  const store: EventStore = {
    async tally() {
      calls.push("tally");
      return { topics: new Map(), positions: new Map(), lost: 0, deadOpen: 0, ...tally };
    },
    ping: () => Promise.reject(new Error("not asked")),
  };
  return { store, queue, calls, stats: new StatsRoute(store, queue, NOBODY_RESENDS, () => ({ stuck: [] })) };
}

async function ask(stats: StatsRoute): Promise<Record<string, unknown>> {
  const body = (await (await stats.handle(EVERYBODY)).json()) as Record<string, unknown>;
  expect(Value.Check(StatsReplySchema, body)).toBe(true);
  return body;
}

describe("the counts", () => {
  test("of nothing are zero, and Redis is not asked", async () => {
    const { stats, calls } = route({});
    expect(await ask(stats)).toMatchObject({ received: 0, unique_processed: 0, queued: 0, lost: 0, topics: [] });
    expect(calls).toEqual(["tally"]);
  });

  test("add up over topics and shards (P3)", async () => {
    const { stats } = route(
      {
        topics: new Map([
          ["", count(0, 0, 4)],
          ["a", count(10, 3)],
          ["b", count(7)],
        ]),
        positions: new Map([
          [0, { epoch: 1, seq: 20 }],
          [5, { epoch: 3, seq: 4 }],
        ]),
        lost: 2,
      },
      { 0: { epoch: 1, seq: 26 }, 5: { epoch: 4, seq: 9 } },
    );
    expect(await ask(stats)).toMatchObject({
      received: 35,
      unique_processed: 17,
      duplicate_dropped: 3,
      dead_lettered: 4,
      queued: 11,
      lost: 2,
      topics: ["a", "b"],
      topic_counts: { a: count(10, 3), b: count(7) },
    });
  });

  test("take nothing off where a head is behind or missing", async () => {
    const { stats } = route(
      {
        topics: new Map([["a", count(30)]]),
        positions: new Map([0, 1].map((shard) => [shard, { epoch: 1, seq: 15 }])),
      },
      { 0: { epoch: 1, seq: 10 } },
    );
    expect(await ask(stats)).toMatchObject({ received: 30, queued: 0 });
  });

  test("are read before the heads, never after", async () => {
    const { stats, calls } = route({ positions: new Map([[0, { epoch: 1, seq: 1 }]]) });
    await ask(stats);
    expect(calls).toEqual(["tally", "heads"]);
  });

  test("are not given at all while Postgres is away", async () => {
    const { stats, store } = route({});
    store.tally = () => Promise.reject(new StoreAway("away"));
    await expect(stats.handle(EVERYBODY)).rejects.toBeInstanceOf(StoreAway);
  });
});

describe("uptime is H:MM:SS", () => {
  test.each([
    [0, "0:00:00"],
    [999, "0:00:00"],
    [59_999, "0:00:59"],
    [60_000, "0:01:00"],
    [3_599_999, "0:59:59"],
    [3_600_000, "1:00:00"],
    [(25 * 3600 + 3 * 60 + 7) * 1000, "25:03:07"],
    [1000 * 3_600_000, "1000:00:00"],
  ])("%d ms: %s", (ms, text) => {
    expect(formatUptime(ms)).toBe(text);
  });
});

test("a stuck shard is described without the driver's text", () => {
  const now = Date.now();
  const stuck = { shard: 3, reason: "connect 10.0.0.7", sinceMs: now - 5000, oldestAddedAtMs: undefined };
  expect(describeStuck(stuck)).toEqual({ shard: 3, stuck_seconds: 5, oldest_delivery_seconds: null });
  expect(describeStuck({ ...stuck, oldestAddedAtMs: now - 61_000 }).oldest_delivery_seconds).toBe(61);
  // Redis's clock may be ahead of this one.
  expect(describeStuck({ ...stuck, oldestAddedAtMs: now + 9000 }).oldest_delivery_seconds).toBe(0);
});
