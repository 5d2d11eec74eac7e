import { describe, expect, test } from "bun:test";
import { parsePublishBody } from "@sekali/contract";
import {
  expectedIdentities,
  plannedDeliveries,
  preparedRequests,
  type Run,
  raceBodies,
  raceIdentities,
} from "../k6/plan.ts";
import {
  PROFILES,
  profileNamed,
  requestsPlanned,
  requestsPrepared,
  type Stream,
  secondsPlanned,
} from "../k6/profiles.ts";

const run: Run = { run: "5a0a650ce193434c86edd16bff6a4678", seed: 20_126, started_at_ms: 1_790_000_000_000 };
const batches: Stream = {
  name: "batch",
  ack: "queued",
  events_per_request: 50,
  stages: [{ seconds: 10, requests_per_s: 20 }],
  vus_max: 1,
  tries_max: 1,
  timestamps: "in_order",
};

/** How many events the service's own validation takes from a body. */
function accepted(body: string): number {
  const parsed = parsePublishBody(new TextEncoder().encode(body), { batchEventsMax: 10_000 });
  return parsed.ok ? parsed.events.length : 0;
}

describe("what a run sends", () => {
  test("is the same for the same seed, and other for another", () => {
    expect(preparedRequests(run, batches)).toEqual(preparedRequests(run, batches));
    expect(plannedDeliveries(1, batches, 10)).not.toEqual(plannedDeliveries(2, batches, 10));
  });

  test("has other identities in another run of the same seed", () => {
    const other = { ...run, run: "00000000000000000000000000000001" };
    const first = new Set(expectedIdentities(run, batches, 20, new Set()).must.map((one) => one.event_id));
    const again = expectedIdentities(other, batches, 20, new Set()).must;
    expect(again.length).toBe(first.size);
    expect(again.some((one) => first.has(one.event_id))).toBe(false);
  });

  test("repeats three in ten, unchanged", () => {
    const texts = preparedRequests(run, batches).flatMap(({ body }) =>
      (JSON.parse(body) as object[]).map((event) => JSON.stringify(event)),
    );
    const distinct = new Set(texts);
    const identities = new Set(texts.map((text) => /"event_id":"([^"]+)"/.exec(text)?.[1]));
    expect(distinct.size).toBe(identities.size);
    expect(1 - distinct.size / texts.length).toBeCloseTo(0.3, 1);
  });

  test("says of each request how many identities are new in it", () => {
    const requests = preparedRequests(run, batches).slice(0, 37);
    const fresh = requests.reduce((sum, request) => sum + request.fresh, 0);
    expect(fresh).toBe(expectedIdentities(run, batches, 37, new Set()).must.length);
  });

  test("never makes an identity twice, in 300,000", () => {
    const { must } = expectedIdentities(run, batches, 8_000, new Set());
    expect(must.length).toBeGreaterThan(270_000);
    expect(new Set(must.map((one) => one.event_id)).size).toBe(must.length);
  });

  test("fits the contract", () => {
    for (const { body } of preparedRequests(run, batches).slice(0, 5)) {
      expect(accepted(body)).toBe(50);
    }
    const races = profileNamed("races");
    if (races.kind !== "races") {
      throw new Error("the races are no races");
    }
    for (const race of ["same_identity", "opposite_order", "many_topics"] as const) {
      const [forth, back] = raceBodies(run, races, race, 3);
      expect(accepted(forth)).toBe(raceIdentities(run, races, race, 3).length);
      expect((JSON.parse(back) as unknown[]).reverse()).toEqual(JSON.parse(forth));
    }
  });
});

describe("what must be stored", () => {
  test("leaves open what was only in requests without an answer", () => {
    const all = expectedIdentities(run, batches, 10, new Set());
    const open = expectedIdentities(run, batches, 10, new Set([9]));
    expect(all.may).toEqual([]);
    expect(open.may.length).toBeGreaterThan(20);
    expect(open.must.length + open.may.length).toBe(all.must.length);
  });
});

describe("profiles", () => {
  test("prepare more requests than they start, and stress at least 20,126 events", () => {
    for (const profile of PROFILES) {
      expect(secondsPlanned(profile)).toBeGreaterThan(0);
      if (profile.kind === "load") {
        const events = profile.streams.reduce((sum, one) => sum + requestsPlanned(one) * one.events_per_request, 0);
        expect(events).toBeGreaterThan(profile.deliveries_min);
        expect(profile.streams.every((one) => requestsPrepared(one) > requestsPlanned(one))).toBe(true);
      }
    }
    const stress = profileNamed("stress");
    expect(stress.kind === "load" && stress.deliveries_min).toBe(20_126);
  });
});
