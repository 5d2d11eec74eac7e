/** The audit of duplicates: what it keeps, when it is judged, and that it agrees with the counters at any time (P3). */
import { describe, expect, test } from "bun:test";
import type { AuditPlace } from "../../src/store/audit-port.ts";
import type { StoredBatch } from "../../src/store/port.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { blockIdentity } from "../harness/blockade.ts";
import { makeEvent, makeEvents, shuffled, type TestEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { recount } from "../harness/recount.ts";
import { openSchema, type Schema } from "./schema.ts";

useBackingServers();

const NAMED = { naming: { dropped: 0, kept: 0, conflicting: 100 } };
/** The first and the last identity of any batch: batches insert them in this order. */
const FIRST_ID = "00000000-0000-4000-8000-000000000001";
const LAST_ID = "ffffffff-ffff-4fff-bfff-fffffffffffe";

async function openTwoShards(): Promise<Schema> {
  const schema = await openSchema();
  await schema.takeUp(0);
  await schema.takeUp(1);
  return schema;
}

/** What the audit says of each row, oldest seq first. */
async function audited(schema: Schema): Promise<Record<string, unknown>[]> {
  const rows = await schema.sql`
    SELECT shard, seq::int, event_id, topic, source, conflict, content_hash IS NOT NULL AS hashed,
      to_json("timestamp") #>> '{}' AS timestamp, payload
    FROM duplicates ORDER BY shard, seq`;
  return rows.map((row) => ({ ...row }));
}

async function conflictsCounted(schema: Schema): Promise<number> {
  const { topics } = await schema.events.tally();
  return [...topics.values()].reduce((total, { conflicts }) => total + conflicts, 0);
}

/** Judges until nothing is left, and gives the sums. */
async function judgeAll(schema: Schema): Promise<{ judged: number; conflicts: number; named: AuditPlace[] }> {
  const sum = { judged: 0, conflicts: 0, named: [] as AuditPlace[] };
  for (;;) {
    const { judged, conflicts, conflicting } = await schema.audit.judge(100);
    if (judged === 0) return sum;
    sum.judged += judged;
    sum.conflicts += conflicts;
    sum.named.push(...conflicting);
  }
}

async function expectAgreement(schema: Schema): Promise<void> {
  expect((await recount(schema.sql)).faults).toEqual([]);
  const { counted, audited: rows } = await schema.events.recount();
  expect(rows).toEqual({ duplicates: counted.duplicate_dropped, conflicts: counted.conflicts });
}

/**
 * Two batches of different shards that hold the same identity: the first one has inserted it and can't commit, so the
 * second one waits for it, and drops it when the first has committed. Its snapshot never shows the winner.
 */
async function race(schema: Schema, winner: TestEvent, losers: readonly TestEvent[]): Promise<StoredBatch | undefined> {
  const last = makeEvent({ event_id: LAST_ID });
  const blockade = await blockIdentity(schema.sql, last);
  const winning = schema.deliver(0, [winner, last]);
  const { pid } = await blockade.waiting();
  const losing = schema.deliver(1, losers, NAMED);
  await eventually(async () => {
    expect(await schema.sql`SELECT FROM pg_stat_activity WHERE ${pid} = ANY (pg_blocking_pids(pid))`).toHaveLength(1);
  });
  await blockade.lift();
  expect(await winning).toMatchObject({ unique: 2, unjudged: 0 });
  return await losing;
}

describe("each dropped delivery", () => {
  test("is written down with its own seq and source, and as no conflict where it says the same", async () => {
    await using schema = await openTwoShards();
    const event = makeEvent({ topic: "a", timestamp: "2025-06-01T12:00:00Z", payload: { b: 1, a: [1.5, "x"] } });
    const other = makeEvent({ topic: "b" });
    const same = {
      ...event,
      event_id: event.event_id.toUpperCase(),
      timestamp: "2025-06-01T14:00:00.000+02:00",
      payload: { a: [1.5, "x"], b: 1 },
    };
    await schema.deliver(0, [event, other, event]);
    expect(await schema.deliver(1, [JSON.stringify(same).replace('"b":1', '"b":1.00')])).toMatchObject({
      duplicates: 1,
      conflicts: 0,
      unjudged: 0,
    });
    const row = { event_id: event.event_id, topic: "a", source: event.source, conflict: false };
    const empty = { hashed: false, timestamp: null, payload: null };
    expect(await audited(schema)).toEqual([
      { shard: 0, seq: 3, ...row, ...empty },
      { shard: 1, seq: 1, ...row, ...empty },
    ]);
    await expectAgreement(schema);
  });

  test.each<[string, Partial<TestEvent>]>([
    ["payload", { payload: { n: 2 } }],
    ["timestamp", { timestamp: "2025-06-01T12:00:00.000001Z" }],
    ["source", { source: "another" }],
  ])("with another %s is a conflict and keeps what it said, in its own batch and in a later one", async (_, over) => {
    await using schema = await openTwoShards();
    const event = makeEvent({ topic: "a", timestamp: "2025-06-01T12:00:00Z", payload: { n: 1 } });
    const differing = { ...event, ...over };
    expect(await schema.deliver(0, [event, differing, event], NAMED)).toMatchObject({ conflicts: 1, unjudged: 0 });
    const later = await schema.deliver(1, [event, differing], NAMED);
    expect(later).toMatchObject({ duplicates: 2, conflicts: 1, conflicting: [{ shard: 1, seq: 2 }] });
    const conflicts = (await audited(schema)).filter(({ conflict }) => conflict === true);
    const said = { source: differing.source, payload: differing.payload, hashed: true };
    expect(conflicts).toMatchObject([
      { shard: 0, seq: 2, ...said },
      { shard: 1, seq: 2, ...said },
    ]);
    expect(await conflictsCounted(schema)).toBe(2);
    await expectAgreement(schema);
  });

  test("is compared with what is stored, not with another duplicate", async () => {
    await using schema = await openTwoShards();
    const event = makeEvent({ payload: { n: 1 } });
    await schema.deliver(0, [event]);
    const second = { ...event, payload: { n: 2 } };
    expect(await schema.deliver(1, [second, second, event])).toMatchObject({ duplicates: 3, conflicts: 2 });
  });

  test("is also judged by its hash where its payload is too large to be kept", async () => {
    await using schema = await openTwoShards();
    const event = makeEvent({ payload: { text: "x".repeat(70_000) } });
    await schema.deliver(0, [event]);
    const result = await schema.deliver(1, [{ ...event, payload: { text: "y".repeat(70_000) } }], NAMED);
    expect(result).toMatchObject({ conflicts: 1 });
    expect(await audited(schema)).toMatchObject([{ conflict: true, payload: null, hashed: true }]);
    const [conflict] = await schema.audit.conflicts(result?.conflicting ?? []);
    expect([conflict?.dropped.payload, conflict?.stored?.payload]).toEqual([null, null]);
  });

  test("is not written down where the batch changes nothing", async () => {
    await using schema = await openTwoShards();
    const event = makeEvent();
    await schema.deliver(0, [event]);
    const from = { ...(await schema.standing(1)), seq: 7 };
    expect(await schema.deliver(1, [event], { from })).toBeUndefined();
    expect(await audited(schema)).toEqual([]);
  });
});

describe("a winner that is committed in the same moment", () => {
  test("leaves its duplicates unjudged, and judging counts the conflicts among them, once", async () => {
    await using schema = await openTwoShards();
    const event = makeEvent({ event_id: FIRST_ID, topic: "a", payload: { n: 1 } });
    const differing = { ...event, payload: { n: 2 } };
    expect(await race(schema, event, [differing, event])).toMatchObject({ duplicates: 2, conflicts: 0, unjudged: 2 });
    expect(await audited(schema)).toMatchObject([
      { conflict: null, hashed: true, payload: { n: 2 } },
      { conflict: null, hashed: true, payload: { n: 1 } },
    ]);
    await expectAgreement(schema);
    expect(await judgeAll(schema)).toMatchObject({ judged: 2, conflicts: 1, named: [{ shard: 1, seq: 1 }] });
    expect(await audited(schema)).toMatchObject([
      { conflict: true, hashed: true, payload: { n: 2 } },
      { conflict: false, hashed: false, payload: null, timestamp: null },
    ]);
    expect(await conflictsCounted(schema)).toBe(1);
    await expectAgreement(schema);
    expect(await judgeAll(schema)).toMatchObject({ judged: 0 });
    expect(await conflictsCounted(schema)).toBe(1);
  });

  test("whose identity somebody has erased meanwhile, leaves duplicates that are judged once, as no conflict", async () => {
    await using schema = await openTwoShards();
    const event = makeEvent({ event_id: FIRST_ID, topic: "a" });
    expect(await race(schema, event, [{ ...event, payload: { other: true } }])).toMatchObject({ unjudged: 1 });
    await schema.sql`DELETE FROM identities`;
    expect(await schema.audit.judge(100)).toMatchObject({ judged: 1, conflicts: 0 });
    expect(await schema.audit.judge(100)).toMatchObject({ judged: 0 });
  });

  test("is compared by several processes at once, each row once, while batches go on", async () => {
    await using schema = await openTwoShards();
    for (const shard of [2, 3]) await schema.takeUp(shard);
    let judging = true;
    let judged = 0;
    const judge = async () => {
      while (judging) {
        const { conflicts } = await schema.audit.judge(0);
        judged += conflicts;
      }
    };
    const judges = [judge(), judge()];
    let atOnce = 0;
    for (let round = 0; round < 6; round += 1) {
      const events = ["a", "b", "c"].flatMap((topic) => makeEvents(80, { topic }));
      const stored = await Promise.all(
        [0, 1, 2, 3].map((shard) =>
          schema.deliver(shard, shuffled(events.map((event) => ({ ...event, payload: { from: shard } })))),
        ),
      );
      atOnce += stored.reduce((total, each) => total + (each?.conflicts ?? 0), 0);
    }
    judging = false;
    await Promise.all(judges);
    const { conflicts: last } = await judgeAll(schema);
    judged += last;
    expect(atOnce + judged).toBe(6 * 240 * 3);
    expect(judged).toBeGreaterThan(0);
    expect(await conflictsCounted(schema)).toBe(6 * 240 * 3);
    await expectAgreement(schema);
  });
});

describe("both sides of a conflict", () => {
  test("are found whatever differs, also where retention has taken the event", async () => {
    await using schema = await openTwoShards();
    const event = makeEvent({ timestamp: "2025-06-01T12:00:00Z", payload: { n: 1 } });
    await schema.deliver(0, [...makeEvents(50), event]);
    const differing = { ...event, timestamp: "2026-01-01T00:00:00Z", source: "other", payload: { n: 2 } };
    const result = await schema.deliver(1, [differing], NAMED);
    const places = result?.conflicting ?? [];
    const dropped = { timestamp: "2026-01-01T00:00:00+00:00", source: "other", payload: '{"n": 2}' };
    const stored = { timestamp: "2025-06-01T12:00:00+00:00", source: event.source, payload: '{"n": 1}' };
    expect(await schema.audit.conflicts(places)).toEqual([
      expect.objectContaining({ shard: 1, seq: 1, topic: event.topic, event_id: event.event_id, dropped, stored }),
    ]);
    await schema.sql`DELETE FROM events`;
    expect(await schema.audit.conflicts(places)).toMatchObject([{ dropped, stored: undefined }]);
    expect(await schema.audit.conflicts([{ ...(places[0] as AuditPlace), seq: 99 }])).toEqual([]);
  });
});

describe("the audit's retention", () => {
  /** Moves what has been dropped so far into a partition of its own that ended so many days ago. */
  async function age(schema: Schema, days: number): Promise<string> {
    const name = `duplicates_from_old_${days}`;
    const [bounds] = await schema.sql`
      SELECT (now() - make_interval(days => ${days + 1}))::text AS lower,
        (now() - make_interval(days => ${days}))::text AS upper`;
    const [lower, upper] = [String(bounds?.["lower"]), String(bounds?.["upper"])];
    await schema.sql.unsafe(
      `CREATE TABLE "${name}" PARTITION OF duplicates FOR VALUES FROM ('${lower}') TO ('${upper}')`,
    );
    await schema.sql.unsafe(`INSERT INTO partitions VALUES ('${name}', '${lower}', '${upper}', 'duplicates')`);
    await schema.sql.unsafe(`UPDATE duplicates SET received_at = '${lower}'`);
    return name;
  }

  test("drops rows by whole partitions, keeps the counts, and leaves events and younger rows alone", async () => {
    await using schema = await openTwoShards();
    const event = makeEvent({ payload: { n: 1 } });
    await schema.deliver(0, [event, event, { ...event, payload: { n: 2 } }]);
    await age(schema, 31);
    await schema.deliver(1, [event]);
    // What expires of the audit takes no events: subscribers are not told that they missed any.
    await schema.events.keepPartitions(30);
    expect(await schema.sql`SELECT FROM horizons`).toHaveLength(0);
    expect(await schema.audit.dropExpiredAudit(32)).toBe(0);
    expect(await schema.audit.dropExpiredAudit(30)).toBe(1);
    expect(await audited(schema)).toMatchObject([{ shard: 1, seq: 1 }]);
    const { counted, audited: rows, events } = await schema.events.recount();
    expect(rows).toEqual({ duplicates: 3, conflicts: 1 });
    expect(counted).toMatchObject({ duplicate_dropped: 3, conflicts: 1 });
    expect(events).toBe(1);
    expect(await schema.audit.dropExpiredAudit(30)).toBe(0);
    expect(await schema.events.keepPartitions(1)).toMatchObject({ dropped: 0 });
  });

  test("knows its own partitions from those of the events", async () => {
    await using schema = await openSchema();
    const rows = await schema.sql`SELECT parent, count(*)::int AS n FROM partitions GROUP BY parent ORDER BY parent`;
    expect([...rows]).toMatchObject([{ parent: "duplicates" }, { parent: "events" }]);
    expect(await schema.audit.makeAuditPartitions(30)).toBe(0);
    const attached = await schema.sql`SELECT FROM pg_inherits WHERE inhparent = 'duplicates'::regclass`;
    expect(attached.length).toBe(1 + Number(rows[0]?.["n"]));
    await schema.takeUp(0);
    const event = makeEvent();
    await schema.deliver(0, [event, event]);
    const [row] = await schema.sql`SELECT tableoid::regclass::text AS place FROM duplicates`;
    expect(String(row?.["place"])).toStartWith("duplicates_from_");
  });
});
