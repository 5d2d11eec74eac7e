/** What is told of deliveries with `?ack=stored`, worked out from Postgres alone. */
import { describe, expect, test } from "bun:test";
import type { LockedShard } from "../../src/store/port.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, makeEvents, type TestEvent } from "../harness/event-factory.ts";
import { openSchema, type Schema } from "./schema.ts";

useBackingServers();

async function verdicts(schema: Schema, firstSeq: number, identities: readonly TestEvent[], epoch = 0, shard = 0) {
  return await (await schema.shards()).verdicts({ shard, epoch, firstSeq, identities });
}

async function locked(schema: Schema, work: (row: LockedShard) => Promise<void>): Promise<void> {
  await (await schema.shards()).takeUp(0, work);
}

describe("a verdict is", () => {
  test("stored for the delivery that won, duplicate for every other, in the order of the request", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    await schema.takeUp(1);
    const [a, b, c] = makeEvents(3) as [TestEvent, TestEvent, TestEvent];
    await schema.deliver(1, [b]);
    await schema.deliver(0, [a, a, b, c]);
    expect(await verdicts(schema, 1, [a, a, b, c])).toEqual(["stored", "duplicate", "duplicate", "stored"]);
    expect(await verdicts(schema, 3, [b, c])).toEqual(["duplicate", "stored"]);
    expect(await verdicts(schema, 1, [b], 0, 1)).toEqual(["stored"]);
    // The winner has the same seq, in the other shard.
    expect(await verdicts(schema, 1, [b])).toEqual(["duplicate"]);
    expect(await verdicts(schema, 1, [{ ...a, topic: `${a.topic}.other` }])).toEqual([undefined]);
  });

  test("the same however often and by whomever it is asked for", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const event = makeEvent();
    await schema.deliver(0, [event]);
    await schema.deliver(0, [event]);
    for (let time = 0; time < 3; time += 1) {
      expect([await verdicts(schema, 1, [event]), await verdicts(schema, 2, [event])]).toEqual([
        ["stored"],
        ["duplicate"],
      ]);
    }
  });

  test("dead_letter for one that Postgres can't keep, alone or with its whole entry", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const events = makeEvents(6);
    const dead = (seq: number, deliveries: number) => ({ seq, deliveries, sqlstate: "22P02", reason: "bad", raw: "?" });
    await schema.deliver(0, events.slice(0, 2), { deadLetters: [dead(3, 1), dead(6, 3)] });
    expect(await verdicts(schema, 1, events)).toEqual([
      "stored",
      "stored",
      "dead_letter",
      "dead_letter",
      "dead_letter",
      "dead_letter",
    ]);
  });

  test("dead_letter even where the identity is stored by another delivery", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const event = makeEvent();
    const letter = { seq: 2, deliveries: 1, sqlstate: "22P02", reason: "bad", raw: "?" };
    await schema.deliver(0, [event], { deadLetters: [letter] });
    expect(await verdicts(schema, 1, [event, event])).toEqual(["stored", "dead_letter"]);
  });
});

describe("a verdict is not known", () => {
  test("of what is not committed", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    expect(await verdicts(schema, 1, makeEvents(2))).toEqual([undefined, undefined]);
  });

  test("of what Redis lost: its seq belongs to another delivery of a later epoch now", async () => {
    await using schema = await openSchema();
    await locked(schema, async (row) => await row.issue(1, 0));
    const [kept, lost, other] = makeEvents(3) as [TestEvent, TestEvent, TestEvent];
    await schema.deliver(0, [kept]);
    await locked(schema, async (row) => await row.issue(2, 1));
    // The seq 2 is handed out again, and the lost event is sent again, too.
    await schema.deliver(0, [other, lost]);
    expect(await verdicts(schema, 1, [kept, lost], 1)).toEqual(["stored", undefined]);
    expect(await verdicts(schema, 2, [other, lost], 2)).toEqual(["stored", "stored"]);
  });

  test("of what Redis lost, though the same event was stored at the same seq afterwards", async () => {
    await using schema = await openSchema();
    await locked(schema, async (row) => await row.issue(1, 0));
    const event = makeEvent();
    await locked(schema, async (row) => await row.issue(2, 0));
    await schema.deliver(0, [event]);
    expect(await verdicts(schema, 1, [event], 1)).toEqual([undefined]);
    expect(await verdicts(schema, 1, [event], 2)).toEqual(["stored"]);
  });

  test("of what survived, it is, whichever epochs followed", async () => {
    await using schema = await openSchema();
    await locked(schema, async (row) => await row.issue(1, 0));
    const events = makeEvents(3);
    await locked(schema, async (row) => await row.issue(4, 2));
    await locked(schema, async (row) => await row.issue(9, 3));
    await schema.deliver(0, events);
    expect(await verdicts(schema, 1, events, 1)).toEqual(["stored", "stored", undefined]);
    expect(await verdicts(schema, 1, events, 4)).toEqual(["stored", "stored", "stored"]);
  });

  test("of what is missing in the stream, though the event is stored by another delivery", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const events = makeEvents(5);
    await schema.deliver(0, events.slice(0, 1));
    await schema.batches.skipGap(0, await schema.standing(0), { epoch: 0, seq: 4 });
    await schema.deliver(0, events.slice(4));
    await schema.takeUp(1);
    await schema.deliver(1, events);
    expect(await verdicts(schema, 1, events)).toEqual(["stored", undefined, undefined, undefined, "stored"]);
  });
});

describe("taking a shard up", () => {
  test("raises the fence, and does nothing else where the shard is sound", async () => {
    await using schema = await openSchema();
    const first = await schema.takeUp(0);
    await schema.deliver(0, makeEvents(1));
    expect(await schema.takeUp(0)).toEqual({ epoch: 0, seq: 1, fence: first.fence + 1, issuedEpoch: 0 });
  });

  test("waits for whoever holds the row, and commits what was compared, or nothing", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const before = await schema.content();
    const failing = locked(schema, async (row) => {
      await row.issue(1, 0);
      await row.noteLoss({ shard: 0, epoch: 1, cause: "redis", afterSeq: 0, throughSeq: 9 });
      throw new Error("Redis is away");
    });
    expect(await failing.catch(String)).toBe("Error: Redis is away");
    expect(await schema.content()).toEqual(before);
    let running = 0;
    const both = [1, 2].map(() =>
      locked(schema, async (row) => {
        running += 1;
        expect(running).toBe(1);
        await row.epochsAfter(0);
        running -= 1;
      }),
    );
    await Promise.all(both);
  });

  test("issues an epoch: reading goes on in it at once only where nothing beyond the position has survived", async () => {
    await using schema = await openSchema();
    await locked(schema, async (row) => await row.issue(3, 0));
    expect(await schema.standing(0)).toMatchObject({ epoch: 3, seq: 0 });
    await locked(schema, async (row) => {
      expect([row.position, row.issuedEpoch]).toEqual([{ epoch: 3, seq: 0 }, 3]);
      await row.issue(4, 7);
      expect(await row.epochsAfter(3)).toEqual([{ epoch: 4, seq: 7 }]);
      expect(await row.epochsAfter(4)).toEqual([]);
    });
    expect(await schema.standing(0)).toMatchObject({ epoch: 3, seq: 0 });
  });

  test("merges the claims of a loss to the largest", async () => {
    await using schema = await openSchema();
    for (const throughSeq of [5, 9, 7]) {
      await locked(schema, async (row) => {
        await row.noteLoss({ shard: 0, epoch: 2, cause: "redis", afterSeq: 3, throughSeq });
      });
    }
    expect((await schema.events.tally()).lost).toBe(6);
  });
});
