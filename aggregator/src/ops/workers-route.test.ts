import { expect, test } from "bun:test";
import { MemoryQueue } from "../../test/fakes/memory-queue.ts";
import type { Tally } from "../store/port.ts";
import { StoreAway } from "../store/port.ts";
import { WorkersRoute } from "./workers-route.ts";

const NOW = 1_000_000;
const TALLY: Tally = {
  topics: new Map(),
  lost: 0,
  deadOpen: 0,
  positions: new Map([
    [3, { epoch: 1, seq: 20 }],
    [0, { epoch: 2, seq: 7 }],
  ]),
};

function setting() {
  const queue = new MemoryQueue();
  queue.shard(3).head = { epoch: 1, seq: 25 };
  const at = { now: NOW, tallies: 0, tally: async () => TALLY };
  const store = {
    tally: () => {
      at.tallies += 1;
      return at.tally();
    },
  };
  const workers = {
    loops: [
      { shard: undefined, sinceMs: NOW - 4000 },
      { shard: 3, sinceMs: NOW },
    ],
    stuck: [{ shard: 3, reason: "connect 10.0.0.7", sinceMs: Date.now() - 5000, oldestAddedAtMs: undefined }],
  };
  const route = new WorkersRoute(store, queue, workers, () => at.now);
  return { at, queue, ask: async () => await (await route.handle()).json() };
}

test("says what each loop does and where each shard stands, without the driver's text", async () => {
  expect(await setting().ask()).toEqual({
    loops: [
      { loop: 0, state: "idle", shard: null, seconds: 4 },
      { loop: 1, state: "holding", shard: 3, seconds: 0 },
    ],
    shards: [
      { shard: 0, position: { epoch: 2, seq: 7 }, head: null, queued: 0, stuck: null },
      {
        shard: 3,
        position: { epoch: 1, seq: 20 },
        head: { epoch: 1, seq: 25 },
        queued: 5,
        stuck: { shard: 3, stuck_seconds: 5, oldest_delivery_seconds: null },
      },
    ],
  });
});

test("asks the store twice a second at most, however many watch", async () => {
  const { at, ask } = setting();
  await Promise.all([ask(), ask(), ask()]);
  at.now += 400;
  await ask();
  expect(at.tallies).toBe(1);
  at.now += 400;
  await ask();
  expect(at.tallies).toBe(2);
});

test("never fails: what is away is null", async () => {
  const { at, queue, ask } = setting();
  queue.before = () => {
    throw new Error("away");
  };
  expect(await ask()).toMatchObject({ shards: [{ shard: 0, queued: null, head: null }, { shard: 3 }] });
  at.now += 1000;
  at.tally = () => Promise.reject(new StoreAway("away"));
  expect(await ask()).toMatchObject({ loops: [{}, {}], shards: null });
});
