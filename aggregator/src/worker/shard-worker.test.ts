import { beforeEach, describe, expect, test } from "bun:test";
import { entry, unknownEntry } from "../../test/fakes/memory-queue.ts";
import { SHARD, settled, workerSetting } from "../../test/fakes/worker-setting.ts";
import { type Entry, type Position, QueueAway } from "../queue/port.ts";
import { StoreAway, TooSlow, Unstorable } from "../store/port.ts";
import type { After } from "./dispatcher.ts";

const START = { epoch: 1, seq: 10, fence: 2, issuedEpoch: 1 };
const RETRY_DELAY_MS_MAX = 3000;
const BATCH_DELIVERIES_MAX = 2000;

let { queue, store, recorded, signals, worker, waiting } = workerSetting(START);
beforeEach(() => {
  ({ queue, store, recorded, signals, worker, waiting } = workerSetting(START));
});

/** An entry of so many deliveries up to a seq of epoch 1. */
function upTo(seq: number, deliveries: number, text?: string): Entry {
  return entry({ epoch: 1, seq }, deliveries, text);
}

/** All of what the worker believes. */
const lastSeen = (): object | undefined => worker.lastSeen(SHARD);

function commitsFailWith(error: Error): void {
  store.before = (call) => {
    if (call === "storeBatch") throw error;
  };
}

const away = () => {
  throw new StoreAway("away");
};

/** How long a shard that can't go on now waits. */
const delayOf = (after: After) => (after.kind === "later" ? after.delayMs : Number.NaN);

const errors = () => recorded.at("error").map(({ msg }) => msg);

describe("a shard with work", () => {
  test("is committed entry after entry in one batch, and said to have moved", async () => {
    const entries = [upTo(12, 2, "a,b"), upTo(15, 3, "c,d,e")];
    waiting(entries);
    expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
    const to = { epoch: 1, seq: 15 };
    expect(store.batches).toEqual([
      { shard: SHARD, from: START, to, text: "a,b,c,d,e", deliveries: 5, seqs: undefined, deadLetters: [], entries },
    ]);
    expect(signals).toEqual([{ kind: "moved", shard: SHARD, position: { epoch: 1, seq: 15 } }]);
    expect(queue.shard(SHARD).committedSeq).toBe(15);
    expect(lastSeen()).toEqual({ epoch: 1, seq: 15, fence: 2, issuedEpoch: 1 });
  });

  test("goes over into a later epoch without a break", async () => {
    store.rows.set(SHARD, { ...START, issuedEpoch: 4 });
    waiting([upTo(12, 2), entry({ epoch: 4, seq: 13 }, 1)]);
    await worker.work(SHARD);
    expect(store.rows.get(SHARD)).toEqual({ epoch: 4, seq: 13, fence: 2, issuedEpoch: 4 });
  });

  test("that has more than a batch holds is due again", async () => {
    waiting([upTo(1010, 1000), upTo(2010, 1000), upTo(2011, 1)]);
    expect(await worker.work(SHARD)).toEqual({ kind: "again" });
    expect(store.rows.get(SHARD)?.seq).toBe(2010);
    expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
    expect(store.rows.get(SHARD)?.seq).toBe(2011);
  });

  test("is looked up once: afterwards its position is remembered", async () => {
    waiting([upTo(11, 1)]);
    await worker.work(SHARD);
    waiting([upTo(11, 1), upTo(12, 1)]);
    await worker.work(SHARD);
    expect(store.lookups).toBe(1);
  });

  test("is not hurt by a trim that fails: it needs another one, and gets it though nothing waits", async () => {
    queue.before = (operation) => {
      if (operation === "trim") throw new QueueAway("away");
    };
    waiting([upTo(11, 1)]);
    expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
    await settled();
    expect([worker.stuck, worker.needsTrim(SHARD), queue.shard(SHARD).committedSeq]).toEqual([[], true, 0]);
    queue.before = () => {};
    expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
    await settled();
    expect([worker.needsTrim(SHARD), queue.shard(SHARD).committedSeq]).toEqual([false, 11]);
  });

  test("that has been trimmed is not trimmed again until it has moved", async () => {
    let trims = 0;
    queue.before = (operation) => {
      if (operation === "trim") trims += 1;
    };
    waiting([upTo(11, 1)]);
    for (let times = 0; times < 3; times += 1) {
      await worker.work(SHARD);
      await settled();
    }
    expect(trims).toBe(1);
  });
});

describe("a shard without work is quiet, and nothing is written", () => {
  test.each<[string, Position | undefined]>([
    ["with everything committed", { epoch: 1, seq: 10 }],
    ["that Redis does not know", undefined],
    ["whose head is behind", { epoch: 1, seq: 4 }],
    ["in an epoch that holds nothing yet", { epoch: 2, seq: 10 }],
  ])("%s", async (_name, head) => {
    store.rows.set(SHARD, { ...START, issuedEpoch: head?.epoch ?? 1 });
    waiting([], head);
    expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
    expect([store.batches, store.gaps, signals]).toEqual([[], [], []]);
  });

  test("that Postgres does not know", async () => {
    expect(await worker.work(99)).toEqual({ kind: "quiet" });
    expect(queue.reads).toEqual([]);
  });
});

describe("a gap", () => {
  test("before the first entry is written down as lost, then skipped (P4)", async () => {
    waiting([upTo(15, 2)]);
    expect(await worker.work(SHARD)).toEqual({ kind: "again" });
    expect(store.gaps).toEqual([{ from: START, to: { epoch: 1, seq: 13 } }]);
    expect(recorded.at("error")).toEqual([
      {
        level: "error",
        shard: SHARD,
        epoch: 1,
        after_seq: 10,
        through_seq: 13,
        lost: 3,
        msg: "Entries are missing in the stream",
      },
    ]);
    expect(signals).toEqual([{ kind: "moved", shard: SHARD, position: { epoch: 1, seq: 13 } }]);
    await worker.work(SHARD);
    expect(store.rows.get(SHARD)?.seq).toBe(15);
  });

  test("up to the head is skipped where the stream holds nothing more", async () => {
    const from = { ...START, issuedEpoch: 2 };
    store.rows.set(SHARD, from);
    waiting([], { epoch: 2, seq: 14 });
    expect(await worker.work(SHARD)).toEqual({ kind: "again" });
    expect(store.gaps).toEqual([{ from, to: { epoch: 2, seq: 14 } }]);
  });

  test("between entries ends the batch before it", async () => {
    waiting([upTo(12, 2), upTo(20, 1)]);
    expect(await worker.work(SHARD)).toEqual({ kind: "again" });
    expect([store.rows.get(SHARD)?.seq, store.gaps]).toEqual([12, []]);
    await worker.work(SHARD);
    expect(store.gaps).toEqual([{ from: { epoch: 1, seq: 12, fence: 2, issuedEpoch: 1 }, to: { epoch: 1, seq: 19 } }]);
  });

  test.each([
    ["that another worker has moved", { epoch: 1, seq: 14, fence: 2, issuedEpoch: 1 }],
    ["that a producer has taken up", { epoch: 1, seq: 11, fence: 3, issuedEpoch: 1 }],
    ["in another epoch", { epoch: 2, seq: 11, fence: 2, issuedEpoch: 1 }],
  ])("is believed of a fresh position only, not of one %s", async (_name, standing) => {
    waiting([upTo(11, 1)]);
    await worker.work(SHARD);
    expect(lastSeen()).toEqual({ epoch: 1, seq: 11, fence: 2, issuedEpoch: 1 });
    store.rows.set(SHARD, standing);
    waiting([upTo(15, 1)]);
    expect(await worker.work(SHARD)).toEqual({ kind: "again" });
    expect([store.gaps, errors()]).toEqual([[], []]);
    expect(lastSeen()).toEqual(standing);
  });

  test("that another worker skips in the same instant is not reported twice", async () => {
    waiting([upTo(15, 2)]);
    store.before = (call) => {
      if (call === "skipGap") store.rows.set(SHARD, { epoch: 1, seq: 13, fence: 2, issuedEpoch: 1 });
    };
    expect(await worker.work(SHARD)).toEqual({ kind: "again" });
    expect(errors()).toEqual([]);
  });
});

describe("another worker", () => {
  test("that holds the shard is given a moment, at most 40 ms", async () => {
    waiting([upTo(11, 1)]);
    store.isHeldElsewhere = true;
    for (let tries = 0; tries < 20; tries += 1) {
      expect(delayOf(await worker.work(SHARD))).toBeWithin(0, 41);
    }
    expect([worker.stuck, signals, recorded.lines]).toEqual([[], [], []]);
  });

  test("that has moved the shard is followed at once", async () => {
    waiting([upTo(11, 1), upTo(12, 1)]);
    store.before = (call) => {
      if (call === "storeBatch") store.rows.set(SHARD, { epoch: 1, seq: 11, fence: 2, issuedEpoch: 1 });
    };
    expect(await worker.work(SHARD)).toEqual({ kind: "again" });
    store.before = () => {};
    await worker.work(SHARD);
    expect(store.batches.map(({ from, to }) => [from.seq, to.seq])).toEqual([[11, 12]]);
  });

  test("or a producer that has raised the fence is followed at once", async () => {
    waiting([upTo(11, 1)]);
    await worker.work(SHARD);
    store.rows.set(SHARD, { epoch: 1, seq: 11, fence: 3, issuedEpoch: 1 });
    waiting([upTo(11, 1), upTo(12, 1)]);
    expect(await worker.work(SHARD)).toEqual({ kind: "again" });
    expect(lastSeen()).toEqual({ epoch: 1, seq: 11, fence: 3, issuedEpoch: 1 });
  });
});

describe("a failure", () => {
  test.each([
    ["of Postgres", new StoreAway("57P01: terminating"), "warn"],
    ["of Redis", new QueueAway("closed"), "warn"],
    ["by time", new TooSlow("57014: canceled"), "warn"],
    ["of ours", new TypeError("x is undefined"), "error"],
  ] as const)("%s makes the shard stuck, is said once, and skips nothing", async (_name, error, level) => {
    waiting([upTo(11, 1)]);
    commitsFailWith(error);
    for (let tries = 0; tries < 3; tries += 1) expect((await worker.work(SHARD)).kind).toBe("later");
    expect(recorded.lines.map(({ level: at, msg }) => [at, msg])).toEqual([[level, "Shard stuck, trying again"]]);
    expect(worker.stuck).toMatchObject([
      { shard: SHARD, reason: error.message, oldestAddedAtMs: queue.shard(SHARD).entries[0]?.addedAtMs },
    ]);
    expect([store.batches, store.gaps, store.rows.get(SHARD)]).toEqual([[], [], START]);
  });

  test("is tried again after delays that grow, and stay within 3 s however long it lasts (P5)", async () => {
    store.before = away;
    const delays: number[] = [];
    for (let tries = 0; tries < 200; tries += 1) {
      delays.push(delayOf(await worker.work(SHARD)));
    }
    expect(Math.max(...delays)).toBeLessThanOrEqual(RETRY_DELAY_MS_MAX);
    expect(delays[0]).toBeLessThanOrEqual(50);
    // Full jitter over 3 s: 190 draws that all stay below 1 s have a chance of (1/3)^190.
    expect(Math.max(...delays)).toBeGreaterThan(1000);
  });

  test("that has passed is said, and the next one begins with a short delay", async () => {
    waiting([upTo(11, 1)]);
    store.before = away;
    for (let tries = 0; tries < 50; tries += 1) await worker.work(SHARD);
    const since = worker.stuck[0]?.sinceMs ?? Number.NaN;
    expect(since).toBeLessThanOrEqual(Date.now());
    store.before = () => {};
    expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
    expect(worker.stuck).toEqual([]);
    expect(recorded.lines.map(({ msg }) => msg)).toContain("Shard goes on");
    store.before = away;
    waiting([upTo(12, 1)]);
    expect(delayOf(await worker.work(SHARD))).toBeWithin(0, 51);
    expect(worker.stuck[0]?.sinceMs).toBeGreaterThanOrEqual(since);
  });

  test("with an unknown outcome is followed by reading the position again: nothing is counted twice (P3)", async () => {
    waiting([upTo(11, 1), upTo(12, 1)]);
    store.before = (call, batch) => {
      // The commit succeeds, its answer is lost.
      if (call !== "storeBatch" || batch === undefined) return;
      store.rows.set(SHARD, { ...batch.to, fence: 2, issuedEpoch: 1 });
      throw new StoreAway("connection closed");
    };
    await worker.work(SHARD);
    store.before = () => {};
    expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
    expect([store.batches, store.gaps]).toEqual([[], []]);
  });
});

describe("a batch that is too slow", () => {
  const limits = () => queue.reads.map(({ deliveriesMax }) => deliveriesMax);

  test("is halved, down to one delivery", async () => {
    waiting([upTo(11, 1)]);
    commitsFailWith(new TooSlow("57014: canceled"));
    for (let tries = 0; tries < 13; tries += 1) await worker.work(SHARD);
    expect(limits()).toEqual([2000, 1000, 500, 250, 125, 62, 31, 15, 7, 3, 1, 1, 1]);
  });

  test("grows again with each that succeeds, up to where it was", async () => {
    waiting([upTo(11, 1)]);
    commitsFailWith(new TooSlow("57014: canceled"));
    for (let tries = 0; tries < 3; tries += 1) await worker.work(SHARD);
    store.before = () => {};
    for (let seq = 11; seq < 16; seq += 1) {
      waiting([upTo(seq, 1)]);
      await worker.work(SHARD);
    }
    expect(limits().slice(3)).toEqual([250, 500, 1000, BATCH_DELIVERIES_MAX, BATCH_DELIVERIES_MAX]);
  });

  test("does not make other shards' batches smaller", async () => {
    store.rows.set(5, START);
    waiting([upTo(11, 1)]);
    commitsFailWith(new TooSlow("57014: canceled"));
    await worker.work(SHARD);
    await worker.work(5);
    expect(limits()).toEqual([2000, 2000]);
  });
});

describe("poison", () => {
  const poisonous = (text: string) => text.includes("bad");

  /** Postgres as it is: a batch with a bad delivery in it is refused, and the examination finds which one. */
  function refuseBad(): void {
    store.before = (call, batch) => {
      if (call === "storeBatch" && poisonous(batch?.text ?? "")) throw new Unstorable("22P02: invalid input syntax");
    };
    store.examination = (text) =>
      text.split(",").map((raw) => ({
        raw,
        refusal: poisonous(raw) ? { sqlstate: "22P02", reason: "invalid input syntax" } : undefined,
      }));
  }

  test("becomes a dead letter, and what stood beside it is stored", async () => {
    refuseBad();
    waiting([upTo(13, 3, "a,bad,b"), upTo(14, 1, "c")]);
    expect(await worker.work(SHARD)).toEqual({ kind: "quiet" });
    expect(store.batches).toMatchObject([
      { text: "a,b,c", deliveries: 3, seqs: [11, 13, 14], to: { epoch: 1, seq: 14 }, deadLetters: [{ seq: 12 }] },
    ]);
    expect(errors()).toEqual(["Dead letter kept"]);
    expect(worker.stuck).toEqual([]);
  });

  test("is only blamed where it is found: a batch that is refused whole stays, and is tried again", async () => {
    commitsFailWith(new Unstorable("22003: out of range"));
    waiting([upTo(13, 3, "a,b,c")]);
    expect((await worker.work(SHARD)).kind).toBe("later");
    expect(store.examined).toEqual(["a,b,c"]);
    expect([store.batches, store.rows.get(SHARD)]).toEqual([[], START]);
    expect(worker.stuck).toMatchObject([{ reason: "Postgres refuses a batch and none of its deliveries" }]);
  });

  test("is not looked for while Postgres is away", async () => {
    commitsFailWith(new StoreAway("57P01: terminating"));
    waiting([upTo(13, 3, "a,bad,c")]);
    await worker.work(SHARD);
    expect(store.examined).toEqual([]);
  });

  test("is not reported where another worker was quicker", async () => {
    refuseBad();
    waiting([upTo(13, 3, "a,bad,b")]);
    const refuse = store.before;
    store.before = (call, batch) => {
      refuse(call, batch);
      if (call === "examine") store.rows.set(SHARD, { epoch: 1, seq: 13, fence: 2, issuedEpoch: 1 });
    };
    expect(await worker.work(SHARD)).toEqual({ kind: "again" });
    expect([errors(), store.batches]).toEqual([[], []]);
  });

  test.each([
    ["of an unknown format", unknownEntry({ epoch: 1, seq: 13 }, "?")],
    ["that announces more than its place holds", upTo(13, 5)],
  ])("is an entry %s, which is examined at once", async (_name, strange) => {
    waiting([strange, upTo(14, 1, "a")]);
    await worker.work(SHARD);
    expect(store.batches).toMatchObject([
      { deliveries: 1, seqs: [14], deadLetters: [{ seq: 13, deliveries: 3, sqlstate: "22000" }] },
    ]);
  });
});
