import { describe, expect, test } from "bun:test";
import { entry, MemoryQueue, unknownEntry } from "../../test/fakes/memory-queue.ts";
import type { Entry, Position } from "../queue/port.ts";
import type { Recount, Standing } from "../store/port.ts";
import { formatVerification, type Verifiable, verify } from "./verify.ts";

const AGREEING: Recount = {
  identities: 7,
  events: 7,
  counted: { unique_processed: 7, duplicate_dropped: 2, conflicts: 1, dead_lettered: 1 },
  deadResolved: { rows: 0, counted: 0 },
  audited: { duplicates: 2, conflicts: 1 },
  deadLetters: 1,
  strayEvents: 0,
  shards: [{ shard: 0, position: { epoch: 1, seq: 12 }, issuedEpoch: 1, counted: 10, lostInGaps: 2 }],
};

interface Setting {
  readonly recount?: Partial<Recount>;
  readonly entries?: readonly Entry[];
  readonly head?: Position;
  readonly standing?: (lookup: number) => Standing;
}

function setting({ recount, entries = [], head, standing }: Setting = {}) {
  const queue = new MemoryQueue();
  Object.assign(queue.shard(0), { entries: [...entries], head: head ?? entries.at(-1)?.position });
  let lookups = 0;
  const store: Verifiable = {
    async recount() {
      return { ...AGREEING, ...recount };
    },
    async standing() {
      lookups += 1;
      return standing?.(lookups) ?? { epoch: 1, seq: 12, fence: 0, issuedEpoch: 1 };
    },
  };
  return { queue, store, lookups: () => lookups };
}

async function differences(of: Setting, keepsEverything = true): Promise<string[]> {
  const { store, queue } = setting(of);
  const { agrees, checks } = await verify(store, queue, keepsEverything);
  const differing = checks.filter((check) => !check.agrees);
  expect(agrees).toBe(differing.length === 0);
  return differing.map(({ name, expected, found }) => `${name}: ${expected}, found ${found}`);
}

describe("rows", () => {
  test("that agree", async () => {
    expect(await differences({})).toEqual([]);
  });

  test.each([
    [{ identities: 8, events: 8 }, "identities are as many as counted unique: 7, found 8"],
    [{ audited: { duplicates: 1, conflicts: 1 } }, "duplicates in the audit are as many as counted: 2, found 1"],
    [{ audited: { duplicates: 2, conflicts: 0 } }, "conflicts in the audit are as many as counted: 1, found 0"],
    [{ deadResolved: { rows: 1, counted: 0 } }, "resolved dead letters are as many as counted: 0, found 1"],
    [{ deadLetters: 0 }, "dead letters are as many as counted: 1, found 0"],
    [{ strayEvents: 3 }, "events without the identity that let them in: 0, found 3"],
    [{ events: 6 }, "events are as many as identities: 7, found 6"],
    [
      { shards: [{ shard: 5, position: { epoch: 1, seq: 13 }, issuedEpoch: 1, counted: 10, lostInGaps: 2 }] },
      "shard 5: position is what was counted and lost: 12, found 13",
    ],
  ])("that differ are named: %j", async (recount, difference) => {
    expect(await differences({ recount })).toEqual([difference]);
  });

  test("may be fewer events than identities where retention drops some", async () => {
    expect(await differences({ recount: { events: 6 } }, false)).toEqual([]);
  });
});

describe("the queue from the position to the head", () => {
  test.each<[string, Entry[], Position | undefined]>([
    ["empty", [], undefined],
    ["whole", [entry({ epoch: 1, seq: 14 }, 2), entry({ epoch: 1, seq: 15 }, 1)], undefined],
    ["whole over epochs", [entry({ epoch: 1, seq: 14 }, 2), entry({ epoch: 3, seq: 15 }, 1)], undefined],
    ["whole with an entry of an unknown format", [unknownEntry({ epoch: 1, seq: 14 }, "?")], undefined],
    ["lost with its head", [], { epoch: 1, seq: 4 }],
  ])("may be %s", async (_name, entries, head) => {
    expect(await differences({ entries, ...(head && { head }) })).toEqual([]);
  });

  test.each<[string, Entry[], Position, string]>([
    ["at the front", [entry({ epoch: 1, seq: 15 }, 2)], { epoch: 1, seq: 15 }, "3, found 0, nothing follows seq 12"],
    [
      "in the middle",
      [entry({ epoch: 1, seq: 13 }, 1), entry({ epoch: 1, seq: 20 }, 1)],
      { epoch: 1, seq: 20 },
      "8, found 1, nothing follows seq 13",
    ],
    ["at the end", [entry({ epoch: 1, seq: 13 }, 1)], { epoch: 1, seq: 20 }, "8, found 1, nothing follows seq 13"],
  ])("misses an entry %s", async (_name, entries, head, difference) => {
    expect(await differences({ entries, head })).toEqual([
      `shard 0: entries from the position to the head: ${difference}`,
    ]);
  });

  test("misses nothing where the position has moved meanwhile: it is read again from there", async () => {
    const entries = [entry({ epoch: 1, seq: 15 }, 2)];
    const { store, queue, lookups } = setting({
      entries,
      standing: (lookup) => ({ epoch: 1, seq: lookup === 1 ? 12 : 13, fence: 0, issuedEpoch: 1 }),
    });
    expect((await verify(store, queue, true)).agrees).toBe(true);
    expect(lookups()).toBe(3);
  });

  test("is given up after five tries where the position never stands still", async () => {
    const { store, queue, lookups } = setting({
      head: { epoch: 1, seq: 900 },
      standing: (lookup) => ({ epoch: 1, seq: 12 + lookup, fence: 0, issuedEpoch: 1 }),
    });
    expect((await verify(store, queue, true)).agrees).toBe(false);
    expect(lookups()).toBe(10);
  });

  test("does not count what is added while it is read", async () => {
    const { store, queue } = setting({ entries: [entry({ epoch: 1, seq: 10_013 }, 10_001)] });
    const shard = queue.shard(0);
    queue.before = (operation) => {
      if (operation !== "read" || queue.reads.length < 2) return;
      const seq = (shard.head?.seq ?? 0) + 5000;
      shard.head = { epoch: 1, seq };
      shard.entries.push(entry(shard.head, 5000));
    };
    const { checks } = await verify(store, queue, true);
    expect(checks.at(-1)).toMatchObject({ agrees: true, expected: 10_001, found: 10_001 });
  });
});

describe("for a terminal", () => {
  const fine = { name: "a", expected: 1, found: 1, agrees: true };
  const wrong = { name: "b", expected: 1, found: 2, agrees: false };

  test("the lines that differ come last, and the last line says it", () => {
    expect(formatVerification({ agrees: false, checks: [wrong, fine] }).split("\n")).toEqual([
      "ok       a: 1",
      "DIFFERS  b: 1, found 2",
      "Something does not agree; see the lines marked DIFFERS.",
    ]);
    expect(formatVerification({ agrees: true, checks: [fine] })).toBe("ok       a: 1\nEverything agrees.");
  });
});
