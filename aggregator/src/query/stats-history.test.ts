import { expect, test } from "bun:test";
import { StatsHistoryReplySchema } from "@sekali/contract";
import { Value } from "@sinclair/typebox/value";
import { MemoryQueue } from "../../test/fakes/memory-queue.ts";
import type { Position } from "../queue/port.ts";
import { StoreAway, type Tally } from "../store/port.ts";
import { INTERVAL_MS, SAMPLES_MAX, StatsHistory } from "./stats-history.ts";
import { StatsHistoryRoute } from "./stats-history-route.ts";

/** Of one shard, committed up to a seq. */
function tallyAt(seq: number): Tally {
  return {
    topics: new Map([["a", { unique_processed: seq, duplicate_dropped: 0, conflicts: 0, dead_lettered: 0 }]]),
    positions: new Map([[0, { epoch: 1, seq }]]),
    lost: 0,
    deadOpen: 0,
  };
}

function setting() {
  const queue = new MemoryQueue();
  const state = { nowMs: 1_000_000, committed: 5, tallies: 0, before: () => {} };
  queue.shard(0).head = { epoch: 1, seq: 5 };
  const tally = async () => {
    state.tallies += 1;
    state.before();
    return tallyAt(state.committed);
  };
  const history = new StatsHistory({ tally }, queue, () => state.nowMs);
  const sample = async () => {
    await history.sample();
    state.nowMs += INTERVAL_MS;
    return history.samples.at(-1)?.counts?.received;
  };
  const move = (head: Position) => {
    queue.shard(0).head = head;
  };
  return { queue, state, history, sample, move };
}

test("the ring keeps a quarter of an hour, oldest first, and no more", async () => {
  const { history, sample, state } = setting();
  const startMs = state.nowMs;
  for (let i = 0; i < SAMPLES_MAX + 20; i += 1) await sample();
  expect(history.samples).toHaveLength(SAMPLES_MAX);
  expect(history.samples.map(({ atMs }) => atMs)).toEqual(
    Array.from({ length: SAMPLES_MAX }, (_, i) => startMs + (20 + i) * INTERVAL_MS),
  );
  expect((history.samples.at(-1)?.atMs ?? 0) - (history.samples[0]?.atMs ?? 0)).toBe(15 * 60_000);
});

test("an idle service runs no transactions, and is sampled all the same", async () => {
  const { history, sample, state } = setting();
  for (let i = 0; i < 10; i += 1) expect(await sample()).toBe(5);
  expect(history.samples).toHaveLength(10);
  expect(state.tallies).toBe(1);
});

test("while a head moves, or deliveries are queued, Postgres is asked each time", async () => {
  const { sample, state, move } = setting();
  await sample();
  move({ epoch: 1, seq: 9 });
  expect(await sample()).toBe(9);
  // Nothing was added, but four are still to be committed.
  state.committed = 8;
  expect(await sample()).toBe(9);
  state.committed = 9;
  expect(await sample()).toBe(9);
  expect(state.tallies).toBe(4);
  await sample();
  expect(state.tallies).toBe(4);
  move({ epoch: 2, seq: 9 });
  await sample();
  expect(state.tallies).toBe(5);
});

test("a connection to Postgres that ended, and a shard that was not there before, are reasons to ask", async () => {
  const { sample, state, history } = setting();
  await sample();
  history.doubt();
  await sample();
  expect(state.tallies).toBe(2);
  history.hear({ kind: "grown", shard: 0, head: { epoch: 1, seq: 5 } });
  await sample();
  expect(state.tallies).toBe(2);
  history.hear({ kind: "grown", shard: 7, head: { epoch: 1, seq: 1 } });
  // One that comes while Postgres is being asked may not be in its answer.
  state.before = () => history.hear({ kind: "grown", shard: 8, head: { epoch: 1, seq: 1 } });
  await sample();
  state.before = () => {};
  await sample();
  await sample();
  expect(state.tallies).toBe(4);
});

test("while Redis or Postgres is away there are samples without counts, and then it goes on", async () => {
  const { sample, state, queue, history, move } = setting();
  await sample();
  queue.before = (operation) => {
    if (operation === "heads") throw new Error("away");
  };
  expect(await sample()).toBeUndefined();
  queue.before = () => {};
  expect(await sample()).toBe(5);
  state.before = () => {
    throw new StoreAway("away");
  };
  move({ epoch: 1, seq: 6 });
  expect(await sample()).toBeUndefined();
  // Nothing moves meanwhile, and it is still away.
  expect(await sample()).toBeUndefined();
  state.before = () => {};
  state.committed = 6;
  expect(await sample()).toBe(6);
  expect(history.samples.map(({ counts }) => counts?.received)).toEqual([5, undefined, 5, undefined, undefined, 6]);
});

test("two samples at once are one", async () => {
  const { history } = setting();
  await Promise.all([history.sample(), history.sample()]);
  expect(history.samples).toHaveLength(1);
});

test("a clock that is set back begins a new history", async () => {
  const { history, sample, state } = setting();
  await sample();
  await sample();
  state.nowMs -= 60_000;
  await sample();
  await sample();
  expect(history.samples).toHaveLength(2);
});

test("the route shows it, with the times of its own clock", async () => {
  const { history, sample, state, queue } = setting();
  const route = new StatsHistoryRoute(history, () => state.nowMs);
  await sample();
  queue.before = () => {
    throw new Error("away");
  };
  await sample();
  const reply = await route.handle().json();
  expect(Value.Check(StatsHistoryReplySchema, reply)).toBe(true);
  expect(reply).toEqual({
    since: "1970-01-01T00:16:40.000Z",
    now: "1970-01-01T00:16:50.000Z",
    interval_s: 5,
    samples: [
      {
        at: "1970-01-01T00:16:40.000Z",
        counts: { received: 5, unique_processed: 5, duplicate_dropped: 0, dead_lettered: 0, queued: 0 },
      },
      { at: "1970-01-01T00:16:45.000Z", counts: null },
    ],
  });
});
