import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { MemoryShardStore } from "../../test/fakes/memory-shard-store.ts";
import type { Position } from "../queue/port.ts";
import { SignalHub } from "../queue/signal-hub.ts";
import { StoreAway, TooSlow } from "../store/port.ts";
import { OutcomeUnknown, Verdicts } from "./verdicts.ts";

const RECEIPT = { shard: 3, epoch: 2, firstSeq: 11, lastSeq: 12 };
const EVENTS = [
  { topic: "a", event_id: "1", source: "s" },
  { topic: "a", event_id: "2", source: "s" },
];

let store: MemoryShardStore;
let hub: SignalHub;
let verdicts: Verdicts;
beforeEach(() => {
  jest.useFakeTimers();
  store = new MemoryShardStore();
  hub = new SignalHub();
  verdicts = new Verdicts(store, hub);
});
afterEach(() => {
  jest.useRealTimers();
});

async function settled(): Promise<void> {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
}

function moved(position: Position, shard = RECEIPT.shard): void {
  hub.emit({ kind: "moved", shard, position });
}

/** Asks for the verdicts; whether and how that ended can be looked at without waiting for it. */
function ask(deadlineMs = 15_000) {
  const asked: { ended: unknown } = { ended: "waiting" };
  verdicts.of(RECEIPT, EVENTS, deadlineMs).then(
    (results) => {
      asked.ended = results;
    },
    (error: unknown) => {
      asked.ended = error;
    },
  );
  return asked;
}

describe("the wait for a verdict ends", () => {
  test.each([
    ["when the position has passed the last delivery", { epoch: 2, seq: 12 }],
    ["when it has passed further", { epoch: 2, seq: 900 }],
    ["when it is in a later epoch", { epoch: 3, seq: 11 }],
  ])("%s", async (_name, position) => {
    const asked = ask();
    moved(position);
    await settled();
    expect(asked.ended).toEqual(["stored", "stored"]);
    expect(store.asked).toEqual([{ shard: 3, epoch: 2, firstSeq: 11, identities: EVENTS }]);
    expect(jest.getTimerCount()).toBe(0);
  });

  test.each([
    ["a position before the last delivery", { epoch: 2, seq: 11 }, 3],
    ["a higher seq of an earlier epoch", { epoch: 1, seq: 900 }, 3],
    ["another shard's position", { epoch: 2, seq: 12 }, 4],
  ])("not with %s", async (_name, position, shard) => {
    const asked = ask();
    moved(position, shard);
    hub.emit({ kind: "grown", shard: 3, head: undefined });
    await settled();
    expect(asked.ended).toBe("waiting");
  });

  test("at once where the commit was quicker than the receipt", async () => {
    moved({ epoch: 2, seq: 12 });
    const asked = ask();
    await settled();
    expect(asked.ended).toEqual(["stored", "stored"]);
  });

  test("without any signal, because positions are polled, and polled again where that failed", async () => {
    const asked = ask();
    store.rows.set(3, { position: { epoch: 2, seq: 12 }, issuedEpoch: 2, fence: 0 });
    store.before = () => {
      throw new StoreAway("away");
    };
    jest.advanceTimersByTime(250);
    await settled();
    expect(asked.ended).toBe("waiting");
    store.before = () => {};
    jest.advanceTimersByTime(250);
    await settled();
    expect(asked.ended).toEqual(["stored", "stored"]);
  });

  test("as unknown at its deadline, not before", async () => {
    const asked = ask(1000);
    jest.advanceTimersByTime(999);
    await settled();
    expect(asked.ended).toBe("waiting");
    jest.advanceTimersByTime(1);
    await settled();
    expect(asked.ended).toBeInstanceOf(OutcomeUnknown);
    expect(jest.getTimerCount()).toBe(0);
  });

  test("as unknown for everybody when the service stops", async () => {
    const all = [ask(), ask(), ask()];
    verdicts.giveUp();
    await settled();
    for (const asked of all) expect(asked.ended).toBeInstanceOf(OutcomeUnknown);
    expect(jest.getTimerCount()).toBe(0);
  });
});

describe("the verdict", () => {
  test("is what the store says of each delivery, in order", async () => {
    store.judge = () => ["duplicate", "dead_letter"];
    const asked = ask();
    moved({ epoch: 2, seq: 12 });
    await settled();
    expect(asked.ended).toEqual(["duplicate", "dead_letter"]);
  });

  test("is unknown for all where it is unknown for one: no success is guessed (P6)", async () => {
    store.judge = () => ["stored", undefined];
    const asked = ask();
    moved({ epoch: 2, seq: 12 });
    await settled();
    expect(asked.ended).toBeInstanceOf(OutcomeUnknown);
  });

  test.each([
    ["unknown while Postgres is away", new StoreAway("away"), OutcomeUnknown],
    ["not given where Postgres is too slow", new TooSlow("slow"), TooSlow],
  ])("is %s", async (_name, error, expected) => {
    store.before = (call) => {
      if (call === "verdicts") throw error;
    };
    const asked = ask();
    moved({ epoch: 2, seq: 12 });
    await settled();
    expect(asked.ended).toBeInstanceOf(expected);
  });
});
