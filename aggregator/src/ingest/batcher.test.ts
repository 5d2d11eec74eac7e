import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { MemoryQueue } from "../../test/fakes/memory-queue.ts";
import { MemoryShardStore } from "../../test/fakes/memory-shard-store.ts";
import { recordedLog } from "../../test/fakes/recorded-log.ts";
import { UNOBSERVED } from "../ops/observers.ts";
import { QueueAway } from "../queue/port.ts";
import { type Signal, SignalHub } from "../queue/signal-hub.ts";
import { Batcher, Overloaded, type Receipt } from "./batcher.ts";
import { ShardKeeper } from "./shard-keeper.ts";

const MEBIBYTE = 1024 * 1024;
const ENTRIES_UNDER_WAY_MAX = 2;

let queue: MemoryQueue;
let store: MemoryShardStore;
let keeper: ShardKeeper;
let batcher: Batcher;
let signals: Signal[];

async function open(shards: number, eventsMax = 1_000_000, bytesMax = 1024 * MEBIBYTE): Promise<void> {
  queue = new MemoryQueue();
  store = new MemoryShardStore();
  keeper = new ShardKeeper(queue, store, shards, { eventsMax, bytesMax }, recordedLog().log);
  await keeper.start();
  const hub = new SignalHub();
  signals = [];
  hub.on((signal) => signals.push(signal));
  batcher = new Batcher(keeper, hub, UNOBSERVED);
}

beforeEach(async () => {
  jest.useFakeTimers();
  await open(2);
});
afterEach(() => {
  keeper.stop();
  jest.useRealTimers();
});

/** One turn of the event loop, and all that follows from it at once. */
async function turn(): Promise<void> {
  for (let turns = 0; turns < 3; turns += 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Submits; whether and how that ended can be looked at without waiting for it. */
function submit(text: string, deliveries: number) {
  const submitted: { ended: Receipt | Error | "waiting" } = { ended: "waiting" };
  batcher.submit(text, deliveries, "json").then(
    (receipt) => {
      submitted.ended = receipt;
    },
    (error: Error) => {
      submitted.ended = error;
    },
  );
  return submitted;
}

/** Keeps every add under way until it is let go. */
function holdAdds(): () => void {
  const { promise, resolve } = Promise.withResolvers<void>();
  queue.before = (operation) => (operation === "add" ? promise : undefined);
  return resolve;
}

const drafts = () => queue.adds.map(({ draft }) => draft);
const deliveries = () => drafts().map((draft) => draft.deliveries);

describe("group commit", () => {
  test("makes no entry that an empty shard has no room for, however many requests wait (P5)", async () => {
    await open(8, 100, 3000);
    const release = holdAdds();
    const first = [submit("a", 1), submit("b", 1)];
    await turn();
    const requests = Array.from({ length: 18 }, () => submit("x".repeat(50), 10));
    const large = Array.from({ length: 3 }, () => submit("x".repeat(900), 1));
    release();
    await turn();
    expect(Math.max(...deliveries())).toBe(100);
    const shared = drafts().filter((draft) => draft.requests.length > 1);
    expect(Math.max(...shared.map(({ text }) => text.length))).toBeLessThanOrEqual(1000);
    expect(first.concat(requests, large).filter(({ ended }) => ended instanceof Overloaded)).toEqual([]);
  });

  test("makes one entry of the requests of one turn, with their order and boundaries", async () => {
    const requests = [submit("a", 1), submit("b,c", 2), submit("d", 1)];
    await turn();
    expect(drafts()).toEqual([{ deliveries: 4, text: "a,b,c,d", requests: [1, 2, 1] }]);
    expect(requests.map(({ ended }) => ended)).toEqual([
      { shard: 0, epoch: 1, firstSeq: 1, lastSeq: 1 },
      { shard: 0, epoch: 1, firstSeq: 2, lastSeq: 3 },
      { shard: 0, epoch: 1, firstSeq: 4, lastSeq: 4 },
    ]);
  });

  test("makes another entry of the next turn's, on the same shard for a moment", async () => {
    for (const text of ["a", "b", "c"]) {
      submit(text, 1);
      await turn();
    }
    expect(queue.adds.map(({ shard, draft }) => [shard, draft.text])).toEqual([
      [0, "a"],
      [0, "b"],
      [0, "c"],
    ]);
  });

  test("counts seqs on from where the shard's head stood", async () => {
    await open(1);
    queue.shard(0).head = { epoch: 1, seq: 40 };
    const requests = [submit("a,b", 2), submit("c", 1)];
    await turn();
    expect(requests.map(({ ended }) => ended)).toEqual([
      { shard: 0, epoch: 1, firstSeq: 41, lastSeq: 42 },
      { shard: 0, epoch: 1, firstSeq: 43, lastSeq: 43 },
    ]);
  });

  test("answers no request before its entry is in the queue (P1), and says then that the shard has grown", async () => {
    const release = holdAdds();
    const request = submit("a", 1);
    await turn();
    expect([request.ended, signals]).toEqual(["waiting", []]);
    release();
    await turn();
    expect(request.ended).toMatchObject({ lastSeq: 1 });
    expect(signals).toEqual([{ kind: "grown", shard: 0, head: { epoch: 1, seq: 1 } }]);
  });
});

describe("an entry is bounded, and a request is never split", () => {
  test("by deliveries", async () => {
    submit("a", 1999);
    submit("b", 1);
    submit("c", 2);
    submit("d", 1999);
    await turn();
    expect(drafts().map(({ requests }) => requests)).toEqual([[1999, 1], [2], [1999]]);
  });

  test("by bytes", async () => {
    submit("a".repeat(MEBIBYTE - 10), 1);
    submit("b".repeat(10), 1);
    submit("c", 1);
    await turn();
    expect(deliveries()).toEqual([2, 1]);
  });

  test("but a request that is larger is an entry by itself", async () => {
    submit("a", 1);
    const large = submit("b".repeat(3 * MEBIBYTE), 10_000);
    submit("c", 1);
    await turn();
    expect(deliveries()).toEqual([1, 10_000, 1]);
    expect(large.ended).toMatchObject({ firstSeq: 2, lastSeq: 10_001 });
  });
});

describe("while as many entries are under way as may be", () => {
  /** Puts entries under way that stay there until they are let go. */
  async function saturate(): Promise<() => void> {
    const release = holdAdds();
    for (let n = 0; n < ENTRIES_UNDER_WAY_MAX; n += 1) {
      submit("x", 1);
      await turn();
    }
    expect(queue.adds).toHaveLength(ENTRIES_UNDER_WAY_MAX);
    return release;
  }

  test("the next one grows over several turns, and goes when there is room", async () => {
    const release = await saturate();
    for (let n = 0; n < 5; n += 1) {
      submit("y", 1);
      await turn();
    }
    expect(queue.adds).toHaveLength(ENTRIES_UNDER_WAY_MAX);
    release();
    await turn();
    expect(deliveries()).toEqual([1, 1, 5]);
  });

  test("what waits is bounded: the next request is Overloaded, and nothing of it is stored", async () => {
    const release = await saturate();
    const waiting = Array.from({ length: 32 }, () => submit("y".repeat(MEBIBYTE), 1));
    const refused = submit("z", 1);
    await turn();
    expect(refused.ended).toBeInstanceOf(Overloaded);
    release();
    await batcher.drain();
    expect(waiting.every(({ ended }) => typeof ended === "object" && "lastSeq" in ended)).toBe(true);
    expect(drafts().some(({ text }) => text === "z")).toBe(false);
    const later = submit("z", 1);
    await turn();
    expect(later.ended).toMatchObject({ epoch: 1 });
  });

  test("waiting ends after 600 ms with QueueAway, and its room is free again (P6)", async () => {
    const release = await saturate();
    const waiting = Array.from({ length: 32 }, () => submit("y".repeat(MEBIBYTE), 1));
    jest.advanceTimersByTime(599);
    await turn();
    expect(waiting.every(({ ended }) => ended === "waiting")).toBe(true);
    jest.advanceTimersByTime(1);
    await turn();
    expect(waiting.every(({ ended }) => ended instanceof QueueAway)).toBe(true);
    const later = submit("z", 1);
    release();
    await turn();
    expect(later.ended).toMatchObject({ epoch: 1 });
    expect(drafts().some(({ text }) => text.startsWith("y"))).toBe(false);
  });

  test("an entry that is under way in time is not given up", async () => {
    await open(1);
    const release = holdAdds();
    const request = submit("a", 1);
    await turn();
    jest.advanceTimersByTime(700);
    release();
    await turn();
    expect(request.ended).toMatchObject({ lastSeq: 1 });
  });
});

describe("where a shard can't take an entry", () => {
  test("because it refuses, the next one does", async () => {
    queue.lose(0);
    const request = submit("a", 1);
    await turn();
    expect(request.ended).toEqual({ shard: 1, epoch: 1, firstSeq: 1, lastSeq: 1 });
    expect(queue.adds.map(({ shard }) => shard)).toEqual([0, 1]);
  });

  test("because it is full, the next one does", async () => {
    await open(2, 10);
    queue.shard(0).head = { epoch: 1, seq: 10 };
    const request = submit("a", 1);
    await turn();
    expect(request.ended).toMatchObject({ shard: 1 });
  });

  test("because it is not taken up, it is not asked", async () => {
    store.before = () => {
      throw new Error("Postgres is away");
    };
    queue.lose(0);
    submit("a", 1);
    await turn();
    submit("b", 1);
    await turn();
    expect(queue.adds.map(({ shard }) => shard)).toEqual([0, 1, 1]);
  });

  test("and all are full, the request is Overloaded, after one try at each", async () => {
    await open(2, 10);
    const request = submit("a", 11);
    await turn();
    expect(request.ended).toBeInstanceOf(Overloaded);
    expect(queue.adds.map(({ shard }) => shard)).toEqual([0, 1]);
  });

  test("and one is full, the other refuses, the request is Overloaded", async () => {
    await open(2, 10);
    queue.lose(0);
    const request = submit("a", 11);
    await turn();
    expect(request.ended).toBeInstanceOf(Overloaded);
  });

  test("and all refuse, the queue is away", async () => {
    queue.lose(0);
    queue.lose(1);
    const request = submit("a", 1);
    await turn();
    expect(request.ended).toBeInstanceOf(QueueAway);
    expect(queue.adds.map(({ shard }) => shard)).toEqual([0, 1]);
  });

  test("and no shard is open, the request fails at once", async () => {
    queue.link.become("away");
    await expect(batcher.submit("a", 1, "json")).rejects.toBeInstanceOf(QueueAway);
    await turn();
    expect(queue.adds).toEqual([]);
  });

  test("and the outcome is unknown, no other is tried, and every request of the entry hears of it", async () => {
    queue.before = (operation) => {
      if (operation === "add") throw new QueueAway("no answer");
    };
    const requests = [submit("a", 1), submit("b", 1)];
    await turn();
    for (const { ended } of requests) expect(ended).toBeInstanceOf(QueueAway);
    expect(queue.adds).toHaveLength(1);
    expect(signals).toEqual([]);
  });
});

describe("draining", () => {
  test("is over at once where nothing is under way", async () => {
    expect(await batcher.drain()).toBeUndefined();
  });

  test("is over when everything that was submitted has been answered, whatever the answer", async () => {
    const release = holdAdds();
    const requests = Array.from({ length: 6 }, () => submit("x".repeat(MEBIBYTE), 1));
    let drained = false;
    const draining = batcher.drain().then(() => {
      drained = true;
    });
    await turn();
    jest.advanceTimersByTime(600);
    await turn();
    expect(requests.filter(({ ended }) => ended instanceof QueueAway)).toHaveLength(6 - ENTRIES_UNDER_WAY_MAX);
    expect(drained).toBe(false);
    release();
    await draining;
    expect(requests.filter(({ ended }) => ended === "waiting")).toEqual([]);
  });
});

test("an entry names the traced requests that it carries, up to a bound, and none where nobody is traced", async () => {
  let trace: string | undefined;
  const tracing = { current: () => trace };
  batcher = new Batcher(keeper, new SignalHub(), UNOBSERVED, tracing);
  submit("a", 1);
  await turn();
  for (let request = 0; request < 40; request += 1) {
    trace = `t${request % 36}`;
    submit("b", 1);
  }
  await turn();
  expect(queue.adds.map(({ draft }) => draft.traces?.split(" ").length)).toEqual([undefined, 32]);
});
