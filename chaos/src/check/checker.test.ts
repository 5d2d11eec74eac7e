/** Each promise broken by hand: a checker that misses one of these would let the harness stay green. */
import { describe, expect, test } from "bun:test";
import { identityOf, type TestEvent } from "@sekali/aggregator/harness/event-factory";
import type { Stats } from "@sekali/aggregator/harness/stats-watch";
import { History } from "../clients/history.ts";
import { check, type Observed } from "./checker.ts";
import type { Stored, StoredRow } from "./rows.ts";

const event = (id: number, n = id): TestEvent => ({
  topic: "t",
  event_id: `00000000-0000-4000-8000-${String(id).padStart(12, "0")}`,
  timestamp: "2025-01-01T00:00:00.000Z",
  source: "s",
  payload: { n },
});

const rowOf = (sent: TestEvent): StoredRow => ({
  topic: sent.topic,
  event_id: sent.event_id,
  timestampMs: Date.parse(sent.timestamp),
  source: sent.source,
  payload: sent.payload,
});

interface Counts {
  readonly unique: number;
  readonly duplicates?: number;
  readonly dead?: number;
  readonly lost?: number;
  readonly faults?: readonly string[];
  readonly dropped?: ReadonlyMap<string, number>;
}

function observe(history: History, rows: readonly StoredRow[], counts: Counts): Observed {
  const { unique, duplicates = 0, dead = 0, lost = 0, faults = [], dropped = new Map() } = counts;
  const parts = { unique_processed: unique, duplicate_dropped: duplicates, dead_lettered: dead, lost };
  const recount = { identities: rows.length, events: rows.length, ...parts, faults };
  const stored: Stored = { rows, recount, dropped };
  const received = unique + duplicates + dead;
  const stats: Stats = { received, ...parts, queued: 0, topics: ["t"], uptime: "0:00:01" };
  return { history, stored, stats: [stats, stats] };
}

/** Two events acknowledged, the first of them twice. */
function sound(): { history: History; rows: StoredRow[] } {
  const history = new History();
  history.end(history.invoke([event(1), event(2)]), "ok", "200");
  history.end(history.invoke([event(1)]), "ok", "200");
  return { history, rows: [rowOf(event(1)), rowOf(event(2))] };
}

test("finds nothing where everything agrees", () => {
  const { history, rows } = sound();
  expect(check(observe(history, rows, { unique: 2, duplicates: 1 }))).toEqual({
    missing: 0,
    lost: 0,
    doubled: 0,
    miscounted: 0,
    complaints: [],
  });
});

test("an unknown delivery may have been taken or not", () => {
  const { history, rows } = sound();
  history.end(history.invoke([event(3)]), "unknown", "503");
  expect(check(observe(history, rows, { unique: 2, duplicates: 1 })).complaints).toEqual([]);
  expect(check(observe(history, [...rows, rowOf(event(3))], { unique: 3, duplicates: 1 })).complaints).toEqual([]);
});

describe("complains of", () => {
  test("an acknowledged event that is nowhere (P1)", () => {
    const { history, rows } = sound();
    const verdict = check(observe(history, rows.slice(0, 1), { unique: 2, duplicates: 1 }));
    expect(verdict.missing).toBe(1);
    expect(verdict.complaints.join()).toContain("P1");
  });

  test("a row that nobody sent", () => {
    const { history, rows } = sound();
    const verdict = check(observe(history, [...rows, rowOf(event(9))], { unique: 3, duplicates: 0 }));
    expect(verdict.doubled).toBe(1);
  });

  test("a row of a delivery that was refused", () => {
    const { history, rows } = sound();
    history.end(history.invoke([event(3)]), "failed", "422");
    const verdict = check(observe(history, [...rows, rowOf(event(3))], { unique: 3, duplicates: 1 }));
    expect(verdict.doubled).toBe(1);
    expect(verdict.miscounted).toBeGreaterThan(0);
  });

  test("a payload, source or timestamp that is not what was sent", () => {
    const { history, rows } = sound();
    const [first, second] = rows;
    if (first === undefined || second === undefined) throw new Error("there are two rows");
    for (const changed of [
      { ...first, payload: { n: 1, more: null } },
      { ...first, source: "other" },
      { ...first, timestampMs: 0 },
    ]) {
      expect(check(observe(history, [changed, second], { unique: 2, duplicates: 1 })).doubled).toBe(1);
    }
  });

  test("a row that is there twice (P2)", () => {
    const { history, rows } = sound();
    const faults = ["P2: 1 of t is stored 2 times"];
    expect(check(observe(history, rows, { unique: 2, duplicates: 1, faults })).doubled).toBe(1);
  });

  test("fewer counted than acknowledged, and more than attempted (P3)", () => {
    const { history, rows } = sound();
    expect(check(observe(history, rows, { unique: 2, duplicates: 0 })).miscounted).toBe(1);
    expect(check(observe(history, rows, { unique: 2, duplicates: 2 })).miscounted).toBe(1);
  });

  test("an event that is counted more often than it was sent, though the sums leave room for it (P3)", () => {
    const { history, rows } = sound();
    history.end(history.invoke([event(3)]), "unknown", "503");
    const dropped = (deliveries: number) => new Map([[identityOf(event(1)), deliveries]]);
    expect(check(observe(history, rows, { unique: 2, duplicates: 1, dropped: dropped(1) })).complaints).toEqual([]);
    expect(check(observe(history, rows, { unique: 2, duplicates: 2, dropped: dropped(2) })).miscounted).toBe(1);
  });

  test("a reply of /stats that the tables don't bear out (P3)", () => {
    const { history, rows } = sound();
    const observed = observe(history, rows, { unique: 2, duplicates: 1 });
    const [reply] = observed.stats;
    if (reply === undefined) throw new Error("there are two replies");
    const lying = { ...reply, received: 4, duplicate_dropped: 2 };
    expect(check({ ...observed, stats: [reply, lying] }).miscounted).toBe(1);
  });

  test("a dead letter where nothing was poison", () => {
    const { history, rows } = sound();
    const verdict = check(observe(history, rows, { unique: 2, duplicates: 0, dead: 1 }));
    expect(verdict.complaints.join()).toContain("dead letters");
  });
});

describe("where Redis was made to lose", () => {
  const LOST = 2;

  function afterLoss(): { history: History; rows: StoredRow[] } {
    const { history } = sound();
    history.lossEnds();
    return { history, rows: [rowOf(event(2))] };
  }

  test("what was acknowledged before may be gone, as far as it is reported as lost (P4)", () => {
    const { history, rows } = afterLoss();
    const verdict = check(observe(history, rows, { unique: 1, lost: LOST }));
    expect(verdict).toMatchObject({ missing: LOST, lost: LOST, complaints: [] });
  });

  test("a loss that is not reported is a fault (P4)", () => {
    const { history, rows } = afterLoss();
    expect(check(observe(history, rows, { unique: 1, lost: 1 })).complaints.join()).toContain("P4");
  });

  test("nothing that is acknowledged afterwards may be gone (P4)", () => {
    const { history, rows } = afterLoss();
    history.end(history.invoke([event(3)]), "ok", "200");
    expect(check(observe(history, rows, { unique: 1, lost: LOST + 1 })).complaints.join()).toContain("P1");
  });
});
