import { describe, expect, test } from "bun:test";
import { MemoryBatchStore } from "../../test/fakes/memory-batch-store.ts";
import { entry, unknownEntry } from "../../test/fakes/memory-queue.ts";
import { separatePoison } from "./poison.ts";

const FROM = { epoch: 2, seq: 10, fence: 4, issuedEpoch: 2 };
const REFUSAL = { sqlstate: "22P02", reason: "invalid input syntax" };

/** Refuses the deliveries that are named "bad…"; an entry of its own that holds "torn" can't be taken apart. */
function store(): MemoryBatchStore {
  const fake = new MemoryBatchStore();
  fake.examination = (text) =>
    text.includes("torn")
      ? { sqlstate: "22P02", reason: "no JSON" }
      : text.split(",").map((raw) => ({ raw, refusal: raw.startsWith("bad") ? REFUSAL : undefined }));
  return fake;
}

describe("poison is separated", () => {
  test("delivery by delivery, over all entries, each with the seq of its place", async () => {
    const entries = [entry({ epoch: 2, seq: 13 }, 3, "a,bad1,b"), entry({ epoch: 2, seq: 15 }, 2, "bad2,c")];
    expect(await separatePoison(store(), 7, FROM, entries, { epoch: 2, seq: 15 })).toEqual({
      shard: 7,
      from: FROM,
      to: { epoch: 2, seq: 15 },
      text: "a,b,c",
      deliveries: 3,
      seqs: [11, 13, 15],
      deadLetters: [
        { seq: 12, deliveries: 1, raw: "bad1", ...REFUSAL },
        { seq: 14, deliveries: 1, raw: "bad2", ...REFUSAL },
      ],
      entries,
    });
  });

  test("from an entry that can't be taken apart: all its deliveries are one dead letter, the others survive", async () => {
    const entries = [
      entry({ epoch: 2, seq: 12 }, 2, "a,b"),
      entry({ epoch: 2, seq: 15 }, 3, "torn"),
      entry({ epoch: 2, seq: 16 }, 1, "c"),
    ];
    const batch = await separatePoison(store(), 7, FROM, entries, { epoch: 2, seq: 16 });
    expect(batch).toMatchObject({ text: "a,b,c", deliveries: 3, seqs: [11, 12, 16] });
    expect(batch.deadLetters).toEqual([{ seq: 15, deliveries: 3, raw: "torn", sqlstate: "22P02", reason: "no JSON" }]);
  });

  test("from an entry of an unknown format, without asking Postgres", async () => {
    const fake = store();
    const batch = await separatePoison(fake, 7, FROM, [unknownEntry({ epoch: 2, seq: 14 }, '["v","9"]')], {
      epoch: 2,
      seq: 14,
    });
    expect(fake.examined).toEqual([]);
    expect(batch).toMatchObject({ text: "", deliveries: 0, seqs: [] });
    expect(batch.deadLetters).toEqual([
      { seq: 14, deliveries: 4, raw: '["v","9"]', sqlstate: "22000", reason: "the entry is of an unknown format" },
    ]);
  });

  test("from an entry that announces more deliveries than its place holds", async () => {
    const fake = store();
    const batch = await separatePoison(fake, 7, FROM, [entry({ epoch: 2, seq: 12 }, 5, "a,b,c,d,e")], {
      epoch: 2,
      seq: 12,
    });
    expect(fake.examined).toEqual([]);
    expect(batch.deadLetters).toMatchObject([
      {
        seq: 12,
        deliveries: 2,
        raw: "a,b,c,d,e",
        reason: "the entry announces 5 deliveries and its place holds 2",
      },
    ]);
  });

  test("and every seq of the batch is accounted for (P3)", async () => {
    const entries = [
      entry({ epoch: 2, seq: 13 }, 3, "bad,a,bad"),
      entry({ epoch: 2, seq: 20 }, 7, "torn"),
      entry({ epoch: 2, seq: 21 }, 1, "b"),
      unknownEntry({ epoch: 2, seq: 25 }, "?"),
    ];
    const batch = await separatePoison(store(), 7, FROM, entries, { epoch: 2, seq: 25 });
    const dead = batch.deadLetters.reduce((total, letter) => total + letter.deliveries, 0);
    expect(batch.deliveries + dead).toBe(25 - FROM.seq);
  });
});
