import { describe, expect, test } from "bun:test";
import type { StatsCounts } from "@sekali/contract";
import { fillIn, type Reading, samplesOf } from "./samples.ts";

const counts = (received: number, over: Partial<StatsCounts> = {}): StatsCounts => ({
  received,
  unique_processed: received,
  duplicate_dropped: 0,
  dead_lettered: 0,
  queued: 0,
  ...over,
});
const at = (atMs: number, received: number): Reading => ({ atMs, counts: counts(received) });
const UNKNOWN = { received: null, unique: null, duplicate: null, dead: null };

describe("rates", () => {
  test("the first reading has none", () => {
    expect(samplesOf([{ atMs: 1000, counts: counts(5, { queued: 2 }) }])).toEqual([
      { atMs: 1000, queued: 2, ...UNKNOWN },
    ]);
  });

  test("are what was added over the time that it took", () => {
    const now = counts(160, { unique_processed: 130, duplicate_dropped: 28, dead_lettered: 2, queued: 9 });
    expect(samplesOf([at(1000, 100), { atMs: 3000, counts: now }])[1]).toEqual({
      atMs: 3000,
      queued: 9,
      received: 30,
      unique: 15,
      duplicate: 14,
      dead: 1,
    });
  });

  test("are over some seconds, however close the readings are, and over one step where they are far apart", () => {
    const close = Array.from({ length: 20 }, (_, second) => at(second * 1000, second < 10 ? 0 : 60));
    expect(samplesOf(close).map(({ received }) => received)).toEqual([
      null,
      ...[0, 0, 0, 0, 0, 0, 0, 0, 0],
      ...[10, 10, 10, 10, 10, 10],
      ...[0, 0, 0, 0],
    ]);
    const far = [at(0, 0), at(10_000, 50), at(20_000, 150)];
    expect(samplesOf(far).map(({ received }) => received)).toEqual([null, 5, 10]);
  });

  test.each([
    ["a pause", 31_001, 200],
    ["counts that went back", 2000, 99],
  ])("%s is a hole, not a rate", (_name, atMs, received) => {
    expect(samplesOf([at(1000, 100), at(atMs, received)])).toEqual([
      { atMs: 1000, queued: 0, ...UNKNOWN },
      { atMs: 1001, queued: null, ...UNKNOWN },
      { atMs, queued: 0, ...UNKNOWN },
    ]);
  });

  test.each(["away", "unheard"] as const)("%s is a hole, and nothing is drawn across it", (word) => {
    const samples = samplesOf([at(0, 0), at(1000, 10), { atMs: 2000, counts: word }, at(3000, 90), at(4000, 91)]);
    expect(samples.map(({ received }) => received)).toEqual([null, 10, null, null, 1]);
    expect(samples.map(({ queued }) => queued)).toEqual([0, 0, null, 0, 0]);
  });
});

describe("what the service remembers", () => {
  const told = [at(0, 0), at(5000, 50), at(10_000, 100), at(15_000, 150), at(20_000, 200)];

  test("comes before what the page has read, without a hole and without a doubled reading", () => {
    const own = [at(18_000, 180), at(19_000, 190), at(20_000, 200)];
    const all = fillIn(own, told, 5000);
    expect(all.map(({ atMs }) => atMs)).toEqual([0, 5000, 10_000, 15_000, 18_000, 19_000, 20_000]);
    expect(samplesOf(all).map(({ received }) => received)).toEqual([null, 10, 10, 10, 10, 10, 10]);
    // The same again, by a clock that is read a little otherwise.
    const again = told.map(({ atMs, counts }) => ({ atMs: atMs + 40, counts }));
    expect(fillIn(all, again, 5000)).toEqual(all);
  });

  test("fills what the page did not hear", () => {
    const unheard = [6000, 7000, 8000, 12_000].map((atMs): Reading => ({ atMs, counts: "unheard" }));
    const own = [at(4000, 40), at(5000, 50), ...unheard, at(16_000, 160)];
    const all = fillIn(own, told, 5000);
    expect(all.map(({ atMs }) => atMs)).toEqual([0, 4000, 5000, 10_000, 16_000, 20_000]);
  });

  test("does not hide that the service was away, nor that it began anew", () => {
    const away: Reading = { atMs: 7000, counts: "away" };
    expect(fillIn([at(5000, 50), away, at(9000, 90)], told, 5000)).toContainEqual(away);
    const toldAway: Reading = { atMs: 5000, counts: "away" };
    expect(fillIn([at(12_000, 120)], [at(0, 0), toldAway, at(10_000, 100)], 5000)).toContainEqual(toldAway);
    const unheard: Reading = { atMs: 7000, counts: "unheard" };
    expect(fillIn([at(5000, 50), unheard, at(9000, 90)], told.slice(2), 5000)).toContainEqual(unheard);
  });
});
