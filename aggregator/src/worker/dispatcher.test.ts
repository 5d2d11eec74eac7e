import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { Dispatcher } from "./dispatcher.ts";

let dispatcher: Dispatcher;
beforeEach(() => {
  jest.useFakeTimers();
  dispatcher = new Dispatcher(0);
});
afterEach(() => {
  dispatcher.stop();
  jest.useRealTimers();
});

const QUIET = { kind: "quiet" } as const;
const AGAIN = { kind: "again" } as const;

/** A loop that waits; what it gets can be looked at without waiting for it. */
function loop() {
  const got: (number | undefined)[] = [];
  void dispatcher.next().then((shard) => got.push(shard));
  return got;
}

/** Promises that are settled have been seen by those who wait for them. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await Promise.resolve();
}

describe("a dispatcher hands out", () => {
  test("nothing without a reason", async () => {
    const waiting = loop();
    await settled();
    expect(waiting).toEqual([]);
    expect(dispatcher.shards).toEqual([]);
  });

  test("shards in the order in which they became due, however often they were woken", async () => {
    for (const shard of [3, 1, 3, 2, 1]) dispatcher.wake(shard);
    expect([await dispatcher.next(), await dispatcher.next(), await dispatcher.next()]).toEqual([3, 1, 2]);
    const fourth = loop();
    await settled();
    expect(fourth).toEqual([]);
    expect(dispatcher.shards).toEqual([3, 1, 2]);
  });

  test("a shard with more work behind the others, so that none starves", async () => {
    dispatcher.wake(1);
    dispatcher.wake(2);
    const order: (number | undefined)[] = [];
    for (let round = 0; round < 6; round += 1) {
      const shard = await dispatcher.next();
      order.push(shard);
      dispatcher.done(shard ?? -1, AGAIN);
    }
    expect(order).toEqual([1, 2, 1, 2, 1, 2]);
  });

  test("a shard to one loop at a time", async () => {
    dispatcher.wake(1);
    const [first, second] = [loop(), loop()];
    dispatcher.wake(1);
    await settled();
    expect([first, second]).toEqual([[1], []]);
    dispatcher.done(1, AGAIN);
    await settled();
    expect([first, second]).toEqual([[1], [1]]);
  });

  test("to loops in the order in which they came", async () => {
    const loops = [loop(), loop(), loop()];
    dispatcher.wake(7);
    dispatcher.wake(8);
    await settled();
    expect(loops).toEqual([[7], [8], []]);
  });
});

describe("while another shard is worked on, a due shard", () => {
  beforeEach(() => {
    dispatcher = new Dispatcher(10);
  });

  test("waits a moment, so that transactions fill", async () => {
    const [first, second] = [loop(), loop()];
    dispatcher.wake(1);
    await settled();
    expect(first).toEqual([1]);
    dispatcher.wake(2);
    jest.advanceTimersByTime(9);
    await settled();
    expect(second).toEqual([]);
    jest.advanceTimersByTime(1);
    await settled();
    expect(second).toEqual([2]);
  });

  test("does not wait any longer when that is done", async () => {
    const [first, second] = [loop(), loop()];
    dispatcher.wake(1);
    dispatcher.wake(2);
    await settled();
    expect([first, second]).toEqual([[1], []]);
    dispatcher.done(1, QUIET);
    await settled();
    expect(second).toEqual([2]);
  });

  /** Holds a shard for so long each time, until that is the average. */
  async function holdFor(ms: number): Promise<void> {
    for (let round = 0; round < 60; round += 1) {
      dispatcher.wake(9);
      const shard = await dispatcher.next();
      jest.advanceTimersByTime(ms);
      dispatcher.done(shard ?? -1, QUIET);
    }
  }

  test.each([
    ["as long as a transaction takes, where that is longer", 18, 18],
    ["never longer than a bound", 500, 25],
    ["never shorter than the least", 1, 10],
  ])("waits %s", async (_, holdMs, waitMs) => {
    await holdFor(holdMs);
    const [first, second] = [loop(), loop()];
    dispatcher.wake(1);
    dispatcher.wake(2);
    jest.advanceTimersByTime(waitMs - 1);
    await settled();
    expect([first, second]).toEqual([[1], []]);
    jest.advanceTimersByTime(1);
    await settled();
    expect(second).toEqual([2]);
  });

  test("is worked on beside it when it has waited, each in its turn", async () => {
    const loops = [loop(), loop(), loop()];
    dispatcher.wake(1);
    dispatcher.wake(2);
    jest.advanceTimersByTime(6);
    dispatcher.wake(3);
    jest.advanceTimersByTime(4);
    await settled();
    expect(loops).toEqual([[1], [2], []]);
    jest.advanceTimersByTime(6);
    await settled();
    expect(loops).toEqual([[1], [2], [3]]);
  });
});

describe("a shard that is done", () => {
  test("and quiet is handed out when it is woken", async () => {
    dispatcher.wake(1);
    dispatcher.done((await dispatcher.next()) ?? -1, QUIET);
    const waiting = loop();
    await settled();
    expect(waiting).toEqual([]);
    dispatcher.wake(1);
    await settled();
    expect(waiting).toEqual([1]);
  });

  test("and was woken while it was held is looked at again, once", async () => {
    dispatcher.wake(1);
    await dispatcher.next();
    dispatcher.wake(1);
    dispatcher.wake(1);
    dispatcher.done(1, QUIET);
    expect(await dispatcher.next()).toBe(1);
    dispatcher.done(1, QUIET);
    const waiting = loop();
    await settled();
    expect(waiting).toEqual([]);
  });

  test("and waits after a failure is not hurried by new arrivals", async () => {
    dispatcher.wake(1);
    await dispatcher.next();
    dispatcher.wake(1);
    dispatcher.done(1, { kind: "later", delayMs: 500 });
    dispatcher.wake(1);
    const waiting = loop();
    jest.advanceTimersByTime(499);
    await settled();
    expect(waiting).toEqual([]);
    jest.advanceTimersByTime(1);
    await settled();
    expect(waiting).toEqual([1]);
  });

  test("and has waited can be woken as before", async () => {
    dispatcher.wake(1);
    await dispatcher.next();
    dispatcher.done(1, { kind: "later", delayMs: 500 });
    jest.advanceTimersByTime(500);
    expect(await dispatcher.next()).toBe(1);
    dispatcher.done(1, QUIET);
    dispatcher.wake(1);
    expect(await dispatcher.next()).toBe(1);
  });
});

describe("a dispatcher that has stopped", () => {
  test("lets idle loops go, and hands out nothing more", async () => {
    const loops = [loop(), loop()];
    dispatcher.stop();
    dispatcher.wake(1);
    await settled();
    expect(loops).toEqual([[undefined], [undefined]]);
    expect(await dispatcher.next()).toBeUndefined();
  });

  test("hands out nothing that was due, comes due or is done", async () => {
    dispatcher.wake(1);
    await dispatcher.next();
    dispatcher.done(1, { kind: "later", delayMs: 500 });
    dispatcher.wake(2);
    await dispatcher.next();
    dispatcher.wake(3);
    dispatcher.stop();
    dispatcher.done(2, AGAIN);
    dispatcher.done(2, { kind: "later", delayMs: 500 });
    expect(jest.getTimerCount()).toBe(0);
    jest.advanceTimersByTime(1000);
    expect(await dispatcher.next()).toBeUndefined();
  });

  test("stays so when it is stopped again", () => {
    dispatcher.stop();
    expect(() => dispatcher.stop()).not.toThrow();
  });
});
