import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { entry, MemoryQueue } from "../../test/fakes/memory-queue.ts";
import { MemoryShardStore } from "../../test/fakes/memory-shard-store.ts";
import { type RecordedLog, recordedLog } from "../../test/fakes/recorded-log.ts";
import type { Position } from "../queue/port.ts";
import { StoreAway } from "../store/port.ts";
import { ShardKeeper } from "./shard-keeper.ts";

const BOUNDS = { eventsMax: 1000, bytesMax: 1_000_000 };
const ONE = { deliveries: 1, text: "{}", requests: [1] };

let queue: MemoryQueue;
let store: MemoryShardStore;
let recorded: RecordedLog;
let keeper: ShardKeeper;
beforeEach(() => {
  jest.useFakeTimers();
  queue = new MemoryQueue();
  store = new MemoryShardStore();
  recorded = recordedLog();
  keeper = new ShardKeeper(queue, store, 1, BOUNDS, recorded.log);
});
afterEach(() => {
  keeper.stop();
  jest.useRealTimers();
});

async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

/** What Postgres has issued and committed of shard 0. */
function stands(position: Position, issuedEpoch = position.epoch): void {
  store.rows.set(0, { position, issuedEpoch, fence: 0 });
  store.epochs = [{ shard: 0, epoch: issuedEpoch, seq: 0 }];
}

/** What Redis holds of shard 0. */
function holds(head: Position | undefined, lastEntry = head, installation: string | undefined = "ours"): void {
  const entries = lastEntry === undefined ? [] : [entry(lastEntry, 1)];
  Object.assign(queue.shard(0), { installation, head, entries });
}

async function add(deliveries = 1) {
  return keeper.add(0, keeper.epochOf(0) ?? -1, { ...ONE, deliveries });
}

describe("a shard that is sound is taken up as it is", () => {
  test.each([
    ["with entries that wait", { epoch: 2, seq: 9 }, { epoch: 2, seq: 9 }],
    ["with everything committed", { epoch: 2, seq: 5 }, { epoch: 2, seq: 5 }],
    ["with an empty stream", { epoch: 2, seq: 5 }, undefined],
  ])("%s", async (_name, head, lastEntry) => {
    stands({ epoch: 2, seq: 5 });
    holds(head, lastEntry);
    await keeper.start();
    expect(keeper.epochOf(0)).toBe(2);
    expect(store.row(0)).toEqual({ position: { epoch: 2, seq: 5 }, issuedEpoch: 2, fence: 1 });
    expect(queue.shard(0).head).toEqual(head);
  });

  test("in the epoch that was issued, though the position is still in an older one", async () => {
    stands({ epoch: 1, seq: 5 }, 2);
    holds({ epoch: 2, seq: 9 });
    await keeper.start();
    expect(keeper.epochOf(0)).toBe(2);
  });
});

describe("otherwise it goes on in a new epoch, greater than any, from the greatest seq that survived", () => {
  test.each<[string, Position, number, Position | undefined, Position | undefined, Position]>([
    ["a shard nobody has used", { epoch: 0, seq: 0 }, 0, undefined, undefined, { epoch: 1, seq: 0 }],
    ["a missing head", { epoch: 2, seq: 5 }, 2, undefined, undefined, { epoch: 3, seq: 5 }],
    ["a missing head with entries", { epoch: 2, seq: 5 }, 2, undefined, { epoch: 2, seq: 8 }, { epoch: 3, seq: 8 }],
    ["a head below the position", { epoch: 2, seq: 5 }, 2, { epoch: 2, seq: 4 }, undefined, { epoch: 3, seq: 5 }],
    ["a head of an older epoch", { epoch: 1, seq: 5 }, 2, { epoch: 1, seq: 9 }, undefined, { epoch: 3, seq: 9 }],
    ["a head of an epoch never issued", { epoch: 2, seq: 5 }, 2, { epoch: 4, seq: 9 }, undefined, { epoch: 5, seq: 9 }],
    [
      "an entry beyond the head",
      { epoch: 2, seq: 5 },
      2,
      { epoch: 2, seq: 6 },
      { epoch: 2, seq: 8 },
      { epoch: 3, seq: 8 },
    ],
    [
      "an entry of a later epoch",
      { epoch: 2, seq: 5 },
      2,
      { epoch: 2, seq: 6 },
      { epoch: 7, seq: 6 },
      { epoch: 8, seq: 6 },
    ],
    [
      "a position that is ahead",
      { epoch: 2, seq: 50 },
      2,
      { epoch: 1, seq: 6 },
      { epoch: 1, seq: 6 },
      { epoch: 3, seq: 50 },
    ],
  ])("after %s", async (_name, position, issuedEpoch, head, lastEntry, expected) => {
    stands(position, issuedEpoch);
    holds(head, lastEntry);
    await keeper.start();
    expect(keeper.epochOf(0)).toBe(expected.epoch);
    expect(queue.shard(0)).toMatchObject({ head: expected, committedSeq: position.seq, installation: "ours" });
    expect(store.row(0).issuedEpoch).toBe(expected.epoch);
    expect(store.epochs.at(-1)).toEqual({ shard: 0, ...expected });
  });

  test("after a head that no installation has signed", async () => {
    stands({ epoch: 2, seq: 5 });
    holds({ epoch: 2, seq: 9 });
    queue.shard(0).installation = undefined;
    await keeper.start();
    expect(keeper.epochOf(0)).toBe(3);
  });

  test("after a restart of Redis, though it has all that this process knows of (P4)", async () => {
    stands({ epoch: 2, seq: 5 });
    holds({ epoch: 2, seq: 9 });
    queue.shard(0).restarted = true;
    await keeper.start();
    expect(queue.shard(0).head).toEqual({ epoch: 3, seq: 9 });
    expect(store.losses).toEqual([]);
  });

  test("after a crash between Redis and Postgres: the epoch that Postgres never issued is left behind", async () => {
    stands({ epoch: 2, seq: 5 });
    store.before = (call) => {
      if (call === "commit") throw new StoreAway("COMMIT failed");
    };
    await keeper.start();
    expect([keeper.isOpen, queue.shard(0).head]).toEqual([false, { epoch: 3, seq: 5 }]);
    store.before = () => {};
    jest.advanceTimersByTime(1000);
    await settled();
    expect(keeper.epochOf(0)).toBe(4);
    expect(store.epochs.map(({ epoch }) => epoch)).toEqual([2, 4]);
  });
});

describe("a shard that changes while it is compared", () => {
  test("because the link was lost meanwhile is compared again: another Redis may be there (P4)", async () => {
    stands({ epoch: 2, seq: 5 });
    holds({ epoch: 2, seq: 9 });
    let isFirst = true;
    store.before = (call) => {
      if (call !== "commit" || !isFirst) return;
      isFirst = false;
      queue.link.become("away");
      holds({ epoch: 2, seq: 7 });
      queue.shard(0).restarted = true;
      queue.link.become("up");
    };
    await keeper.start();
    expect(keeper.epochOf(0)).toBe(3);
    expect(queue.shard(0).head).toEqual({ epoch: 3, seq: 7 });
  });

  test("is compared again", async () => {
    stands({ epoch: 2, seq: 5 });
    let begins = 0;
    queue.before = (operation) => {
      if (operation !== "begin") return;
      begins += 1;
      if (begins <= 3) holds({ epoch: 1, seq: 100 + begins });
    };
    await keeper.start();
    expect(queue.shard(0).head).toEqual({ epoch: 3, seq: 103 });
    expect(begins).toBe(4);
  });

  test("is left alone after five tries, with nothing changed in Postgres, and tried again later", async () => {
    stands({ epoch: 2, seq: 5 });
    let begins = 0;
    queue.before = (operation) => {
      if (operation !== "begin") return;
      begins += 1;
      holds({ epoch: 1, seq: 100 + begins });
    };
    await keeper.start();
    expect([begins, keeper.isOpen, store.row(0).fence, store.row(0).issuedEpoch]).toEqual([5, false, 0, 2]);
    queue.before = () => {};
    jest.advanceTimersByTime(1000);
    await settled();
    expect(keeper.isOpen).toBe(true);
  });
});

describe("a foreign queue", () => {
  test("is refused, said once, and left as it is", async () => {
    stands({ epoch: 2, seq: 5 });
    holds({ epoch: 2, seq: 900 }, undefined, "theirs");
    await keeper.start();
    jest.advanceTimersByTime(3000);
    await settled();
    expect([keeper.isOpen, keeper.isForeign]).toEqual([false, true]);
    expect(queue.shard(0).head).toEqual({ epoch: 2, seq: 900 });
    expect(recorded.at("error").map(({ msg }) => msg)).toEqual(["Foreign Redis refused"]);
  });

  test("that an operator has emptied is taken up", async () => {
    stands({ epoch: 2, seq: 5 });
    holds({ epoch: 2, seq: 900 }, undefined, "theirs");
    await keeper.start();
    queue.lose(0);
    jest.advanceTimersByTime(1000);
    await settled();
    expect([keeper.isForeign, keeper.epochOf(0)]).toEqual([false, 3]);
  });
});

describe("what this process saw acknowledged", () => {
  beforeEach(async () => {
    stands({ epoch: 2, seq: 5 });
    holds({ epoch: 2, seq: 5 });
    await keeper.start();
    await add(10);
  });

  test("is the floor of its next adds in the same epoch", async () => {
    await add();
    expect(queue.adds.map(({ bounds }) => bounds.floorSeq)).toEqual([5, 15]);
    queue.lose(0);
    await add();
    await settled();
    await add();
    expect(queue.adds.at(-1)?.bounds.floorSeq).toBe(5);
  });

  test("by another process, or committed by any, is the floor, in the same epoch only (P4)", async () => {
    keeper.learn(0, { epoch: 2, seq: 40 });
    keeper.learn(0, { epoch: 2, seq: 30 });
    keeper.learn(0, { epoch: 3, seq: 90 });
    expect(await add()).toEqual({ outcome: "refused", reason: "floor" });
    expect(queue.adds.at(-1)?.bounds.floorSeq).toBe(40);
  });

  test.each([
    ["all of it", undefined, { afterSeq: 5, throughSeq: 15 }],
    ["some of it", { epoch: 2, seq: 12 }, { afterSeq: 12, throughSeq: 15 }],
  ])("and Redis lost %s is written down as lost, and reported as an ERROR (P4)", async (_name, head, loss) => {
    holds(head);
    expect(await add()).toMatchObject({ outcome: "refused" });
    await settled();
    expect(store.losses).toEqual([{ shard: 0, epoch: 3, cause: "redis", ...loss }]);
    const { afterSeq: after_seq, throughSeq: through_seq } = loss;
    expect(recorded.at("error")).toEqual([
      {
        level: "error",
        shard: 0,
        epoch: 2,
        after_seq,
        through_seq,
        lost: through_seq - after_seq,
        msg: "Redis lost acknowledged deliveries",
      },
    ]);
    expect(await add()).toEqual({ outcome: "added", seq: after_seq + 1 });
  });

  test("and another process found lost first is claimed all the same", async () => {
    store.rows.set(0, { position: { epoch: 3, seq: 5 }, issuedEpoch: 3, fence: 7 });
    store.epochs = [...store.epochs, { shard: 0, epoch: 3, seq: 5 }];
    holds({ epoch: 3, seq: 8 });
    await add();
    await settled();
    expect(store.losses).toEqual([{ shard: 0, epoch: 3, cause: "redis", afterSeq: 5, throughSeq: 15 }]);
    expect(keeper.epochOf(0)).toBe(3);
  });

  test("and another process found lost is claimed within a second, without an add of this one", async () => {
    store.rows.set(0, { position: { epoch: 3, seq: 5 }, issuedEpoch: 3, fence: 7 });
    store.epochs = [...store.epochs, { shard: 0, epoch: 3, seq: 5 }];
    holds({ epoch: 3, seq: 5 });
    jest.advanceTimersByTime(1000);
    await settled();
    expect(store.losses).toEqual([{ shard: 0, epoch: 3, cause: "redis", afterSeq: 5, throughSeq: 15 }]);
    expect(keeper.epochOf(0)).toBe(3);
  });

  test("is no loss where the next epoch continued after it", async () => {
    queue.shard(0).head = undefined;
    await add();
    await settled();
    expect(keeper.epochOf(0)).toBe(3);
    expect(store.losses).toEqual([]);
    expect(recorded.at("error")).toEqual([]);
  });

  test("is claimed once", async () => {
    queue.lose(0);
    await add();
    await settled();
    queue.link.become("away");
    queue.link.become("up");
    await settled();
    expect(store.losses).toHaveLength(1);
  });

  test("is still claimed where the first try to write it down failed", async () => {
    store.before = (call) => {
      if (call === "commit") throw new StoreAway("away");
    };
    queue.lose(0);
    await add();
    await settled();
    expect(store.losses).toEqual([]);
    store.before = () => {};
    jest.advanceTimersByTime(1000);
    await settled();
    expect(store.losses).toEqual([{ shard: 0, epoch: 4, cause: "redis", afterSeq: 5, throughSeq: 15 }]);
  });
});

describe("a shard is closed", () => {
  beforeEach(async () => {
    stands({ epoch: 2, seq: 5 });
    holds({ epoch: 2, seq: 5 });
    await keeper.start();
  });

  test("while the link is away, and compared again before the first add afterwards", async () => {
    queue.link.become("away");
    expect(keeper.isOpen).toBe(false);
    jest.advanceTimersByTime(5000);
    await settled();
    expect(keeper.isOpen).toBe(false);
    const fence = store.row(0).fence;
    queue.link.become("up");
    expect(keeper.isOpen).toBe(false);
    await settled();
    expect([keeper.isOpen, store.row(0).fence]).toEqual([true, fence + 1]);
  });

  test("after a refused add, until it has been compared again", async () => {
    queue.lose(0);
    expect(await add()).toEqual({ outcome: "refused", reason: "missing" });
    expect(keeper.isOpen).toBe(false);
    await settled();
    expect(keeper.epochOf(0)).toBe(3);
  });

  test("not because it is full", async () => {
    expect(await add(1001)).toEqual({ outcome: "full" });
    expect(keeper.epochOf(0)).toBe(2);
  });

  test.each([
    ["lost without losing the connection", undefined],
    ["below what was seen", { epoch: 2, seq: 4 }],
  ])("within a second where it is %s", async (_name, head) => {
    holds(head);
    jest.advanceTimersByTime(1000);
    await settled();
    expect(keeper.epochOf(0)).toBe(3);
  });

  test("and stays so while Postgres is away, then opens by itself (P5)", async () => {
    store.before = () => {
      throw new StoreAway("away");
    };
    queue.lose(0);
    await add();
    for (let second = 0; second < 3; second += 1) {
      jest.advanceTimersByTime(1000);
      await settled();
    }
    expect(keeper.isOpen).toBe(false);
    store.before = () => {};
    jest.advanceTimersByTime(1000);
    await settled();
    expect(keeper.isOpen).toBe(true);
  });
});

test("a shard that is sound is left alone by the checks: its fence is not raised", async () => {
  stands({ epoch: 2, seq: 5 });
  holds({ epoch: 2, seq: 5 });
  await keeper.start();
  for (let second = 0; second < 3; second += 1) {
    await add();
    jest.advanceTimersByTime(1000);
    await settled();
  }
  expect(store.row(0).fence).toBe(1);
});
