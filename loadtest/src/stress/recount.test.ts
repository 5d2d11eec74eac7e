import { describe, expect, test } from "bun:test";
import type { Identity } from "../../k6/plan.ts";
import { type Evidence, recount } from "./recount.ts";
import { keyOf } from "./rows.ts";

const identities: Identity[] = Array.from({ length: 7 }, (_, index) => ({ topic: "load.t", event_id: `id-${index}` }));

/** Ten deliveries of seven identities, every reply received, everything in order. */
const good: Evidence = {
  sent: {
    attempted: 10,
    acknowledged: 10,
    identities_acknowledged: 7,
    told_stored: { found: 2, expected: 2 },
    given_up: 0,
  },
  expected: { must: identities, may: [] },
  growth: { unique_processed: 7, duplicate_dropped: 3, dead_lettered: 0 },
  rows: { source: "test", counts: new Map(identities.map((one) => [keyOf(one), 1])), identities: 7 },
  watched: { replies: 5, violations: [], lost_growth: 0, dead_lettered_growth: 0, drained: true },
};

const failing = (evidence: Evidence): string[] =>
  recount(evidence)
    .filter((one) => !one.passed)
    .map((one) => one.name);
const withRows = (counts: Map<string, number>): Evidence => ({ ...good, rows: { ...good.rows, counts } });

describe("the recount", () => {
  test("agrees when everything agrees", () => {
    expect(failing(good)).toEqual([]);
  });

  test("notices an event that was counted and is not there", () => {
    const counts = new Map(good.rows.counts);
    counts.delete("load.t id-3");
    expect(failing(withRows(counts))).toEqual(["rows in events", "identities without a row"]);
  });

  test("notices an event that is there twice", () => {
    expect(failing(withRows(new Map(good.rows.counts).set("load.t id-3", 2)))).toEqual(["identities with two rows"]);
  });

  test("notices a row that nobody sent", () => {
    const counts = new Map(good.rows.counts).set("load.t other", 1);
    expect(failing(withRows(counts))).toEqual(["rows in events", "rows that nobody sent"]);
  });

  test("notices one delivery too few and one too many", () => {
    for (const duplicate_dropped of [2, 4]) {
      expect(failing({ ...good, growth: { ...good.growth, duplicate_dropped } })).toEqual([
        "received (k6: acknowledged)",
        "duplicate_dropped (the rest)",
      ]);
    }
  });

  test("notices a duplicate that was counted as unique, though the sum is right", () => {
    const growth = { unique_processed: 8, duplicate_dropped: 2, dead_lettered: 0 };
    expect(failing({ ...good, growth })).toContain("unique_processed (distinct sent)");
  });

  test("notices two callers that were told `stored` for one identity", () => {
    const told_stored = { found: 3, expected: 2 };
    expect(failing({ ...good, sent: { ...good.sent, told_stored } })).toEqual(["callers told that theirs was stored"]);
  });

  test("notices a loss, a wrong sum in /stats, and a queue that does not drain", () => {
    const watched = { replies: 5, violations: ["sum"], lost_growth: 1, dead_lettered_growth: 1, drained: false };
    expect(failing({ ...good, watched }).length).toBe(4);
  });

  test("takes an interval where replies were lost, and no more than that", () => {
    const sent = { ...good.sent, attempted: 12 };
    const grown = (duplicate_dropped: number): Evidence => ({
      ...good,
      sent,
      growth: { ...good.growth, duplicate_dropped },
    });
    expect(failing(grown(3))).toEqual([]);
    expect(failing(grown(5))).toEqual([]);
    expect(failing(grown(6)).length).toBeGreaterThan(0);
    expect(failing(grown(2)).length).toBeGreaterThan(0);
  });
});
