/** What a process saw acknowledged, and several epochs later is not there any more. */
import { expect, test } from "bun:test";
import { MemoryQueue } from "../../test/fakes/memory-queue.ts";
import { MemoryShardStore } from "../../test/fakes/memory-shard-store.ts";
import { recordedLog } from "../../test/fakes/recorded-log.ts";
import type { Position } from "../queue/port.ts";
import { ShardKeeper } from "./shard-keeper.ts";

const BOUNDS = { eventsMax: 1000, bytesMax: 1_000_000 };
const SEEN = { epoch: 2, seq: 15 };

/** The losses that are claimed by one who saw `SEEN`, when other processes have gone on without it. */
async function claims(...issued: readonly Position[]) {
  const queue = new MemoryQueue();
  const store = new MemoryShardStore();
  const keeper = new ShardKeeper(queue, store, 1, BOUNDS, recordedLog().log);
  store.rows.set(0, { position: { epoch: 2, seq: 5 }, issuedEpoch: 2, fence: 0 });
  store.epochs = [{ shard: 0, epoch: 2, seq: 0 }];
  Object.assign(queue.shard(0), { installation: "ours", head: SEEN });
  await keeper.start();
  keeper.stop();
  const last = issued.at(-1) ?? SEEN;
  store.rows.set(0, { position: { epoch: last.epoch, seq: 5 }, issuedEpoch: last.epoch, fence: 7 });
  store.epochs = [...store.epochs, ...issued.map((epoch) => ({ shard: 0, ...epoch }))];
  queue.shard(0).head = { epoch: last.epoch, seq: last.seq + 1 };
  await keeper.takeUp(0);
  return store.losses.map(({ epoch, afterSeq, throughSeq }) => ({ epoch, afterSeq, throughSeq }));
}

test.each([
  [
    "in none of them",
    [
      { epoch: 3, seq: 15 },
      { epoch: 4, seq: 90 },
    ],
    [],
  ],
  [
    "in the second one, before which another one lost nothing",
    [
      { epoch: 3, seq: 15 },
      { epoch: 4, seq: 9 },
    ],
    [{ epoch: 4, afterSeq: 9, throughSeq: 15 }],
  ],
  [
    "in two of them, each what it took",
    [
      { epoch: 3, seq: 12 },
      { epoch: 4, seq: 40 },
      { epoch: 6, seq: 9 },
    ],
    [
      { epoch: 3, afterSeq: 12, throughSeq: 15 },
      { epoch: 6, afterSeq: 9, throughSeq: 12 },
    ],
  ],
])("is claimed where it was lost: %s (P4)", async (_name, issued, losses) => {
  expect(await claims(...issued)).toEqual(losses);
});
