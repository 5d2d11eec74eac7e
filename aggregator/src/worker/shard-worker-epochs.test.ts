/** A worker and a Redis in another epoch than Postgres has issued; and what follows a gap. */
import { beforeEach, describe, expect, test } from "bun:test";
import { entry } from "../../test/fakes/memory-queue.ts";
import { SHARD, settled, workerSetting } from "../../test/fakes/worker-setting.ts";

const START = { epoch: 2, seq: 10, fence: 2, issuedEpoch: 2 };

let { queue, store, recorded, signals, worker, waiting } = workerSetting(START);
beforeEach(() => {
  ({ queue, store, recorded, signals, worker, waiting } = workerSetting(START));
});

const nothingHappened = () => expect([store.batches, store.gaps, store.rows.get(SHARD)]).toEqual([[], [], START]);

describe("of a Redis in another epoch than Postgres has issued", () => {
  test("a later one: nothing is stored, and the shard is to be taken up", async () => {
    waiting([entry({ epoch: 2, seq: 12 }, 2), entry({ epoch: 3, seq: 14 }, 2)]);
    expect((await worker.work(SHARD)).kind).toBe("later");
    nothingHappened();
    expect(signals).toEqual([{ kind: "ahead", shard: SHARD }]);
    expect(worker.stuck).toMatchObject([{ reason: "Redis is in epoch 3 of the shard, Postgres has issued 2" }]);
    store.rows.set(SHARD, { ...START, fence: 3, issuedEpoch: 3 });
    expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
    expect([store.rows.get(SHARD)?.seq, worker.stuck]).toEqual([14, []]);
  });

  test("an earlier one, with a head beyond the position: no gap is made of it, nor is anything taken up", async () => {
    waiting([], { epoch: 1, seq: 15 });
    expect((await worker.work(SHARD)).kind).toBe("later");
    nothingHappened();
    expect([signals, queue.link.readsAnew]).toEqual([[], 1]);
  });

  test("an earlier one, with entries that follow the position: they are not stored", async () => {
    const older = { ...START, epoch: 1 };
    store.rows.set(SHARD, older);
    waiting([entry({ epoch: 1, seq: 12 }, 2)]);
    expect((await worker.work(SHARD)).kind).toBe("later");
    expect([store.batches, store.rows.get(SHARD)]).toEqual([[], older]);
  });

  test("as it seems by a guess from before the epoch was issued: the fresh standing decides", async () => {
    waiting([entry({ epoch: 2, seq: 11 }, 1)]);
    await worker.work(SHARD);
    store.rows.set(SHARD, { epoch: 2, seq: 11, fence: 3, issuedEpoch: 3 });
    waiting([entry({ epoch: 3, seq: 12 }, 1)]);
    expect(await worker.work(SHARD)).toEqual({ kind: "again" });
    expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
    expect([store.rows.get(SHARD)?.seq, worker.stuck, recorded.at("warn")]).toEqual([12, [], []]);
  });
});

test("a gap that is the last of a queue frees its share of the bounds (P5)", async () => {
  waiting([entry({ epoch: 2, seq: 12 }, 2)]);
  await worker.work(SHARD);
  await settled();
  waiting([], { epoch: 2, seq: 20 });
  expect(await worker.work(SHARD)).toEqual({ kind: "again" });
  expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
  await settled();
  expect([store.rows.get(SHARD)?.seq, queue.shard(SHARD).committedSeq]).toEqual([20, 20]);
});
