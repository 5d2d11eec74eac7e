import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { recordedLog } from "../test/fakes/recorded-log.ts";
import { QueueAway } from "./queue/port.ts";
import { awaitDependency, DependencyMissing } from "./startup.ts";
import { StoreAway, Unstorable } from "./store/port.ts";

const TIMEOUT_S = 60;

beforeEach(() => {
  jest.useFakeTimers();
});
afterEach(() => {
  jest.useRealTimers();
});

async function settled(): Promise<void> {
  for (let turn = 0; turn < 50; turn += 1) await Promise.resolve();
}

/** Waits for a dependency; when it was tried, in seconds, and how that ended can be looked at meanwhile. */
function start(connect: () => Promise<string>, timeoutSeconds = TIMEOUT_S) {
  const { log, lines } = recordedLog();
  const startedAt = performance.now();
  const triedAt: number[] = [];
  const state: { ended: unknown; triedAt: number[]; lines: typeof lines } = { ended: "waiting", triedAt, lines };
  awaitDependency(
    "Postgres",
    () => {
      triedAt.push((performance.now() - startedAt) / 1000);
      return connect();
    },
    timeoutSeconds,
    log,
  ).then(
    (value) => {
      state.ended = value;
    },
    (error: unknown) => {
      state.ended = error;
    },
  );
  return state;
}

async function pass(seconds: number): Promise<void> {
  for (let tenth = 0; tenth < seconds * 10; tenth += 1) {
    jest.advanceTimersByTime(100);
    await settled();
  }
}

const away = () => Promise.reject(new StoreAway("connect ECONNREFUSED"));

describe("a dependency", () => {
  test("that is there is used at once", async () => {
    const state = start(async () => "connected");
    await settled();
    expect([state.ended, state.triedAt.length, state.lines]).toEqual(["connected", 1, []]);
  });

  test.each([
    ["Postgres", new StoreAway("connect ECONNREFUSED")],
    ["Redis", new QueueAway("connect ECONNREFUSED")],
  ])("like %s that comes later is waited for, each try logged", async (_name, error) => {
    let tries = 0;
    const state = start(async () => {
      tries += 1;
      if (tries < 3) throw error;
      return "connected";
    });
    await pass(10);
    expect(state.ended).toBe("connected");
    expect(state.lines.map(({ level, dependency, try: n }) => [level, dependency, n])).toEqual([
      ["warn", "Postgres", 1],
      ["warn", "Postgres", 2],
    ]);
  });

  test("is tried 2 s apart at first, then ever more seldom, at most 5 s apart (P5)", async () => {
    const state = start(away);
    await pass(TIMEOUT_S + 1);
    // The last try comes when the time is up, however long the delay would have been.
    expect(state.triedAt.at(-1)).toBeWithin(TIMEOUT_S - 0.1, TIMEOUT_S + 0.3);
    const delays = state.triedAt.slice(1).map((at, index) => at - (state.triedAt[index] ?? 0));
    expect(delays[0]).toBeWithin(1.9, 2.2);
    expect(delays.pop()).toBeLessThan(5.2);
    expect(delays.length).toBeGreaterThanOrEqual(4);
    for (const [index, delay] of delays.entries()) {
      expect(delay).toBeLessThan(5.2);
      expect(delay).toBeGreaterThan((delays[index - 1] ?? 0) - 0.2);
    }
  });

  test("that stays away is given up by name, with the reason", async () => {
    const state = start(away);
    await pass(TIMEOUT_S + 15);
    expect(state.ended).toBeInstanceOf(DependencyMissing);
    expect(String(state.ended)).toContain("Postgres could not be reached within 60 s: connect ECONNREFUSED");
    const tries = state.triedAt.length;
    await pass(60);
    expect(state.triedAt.length).toBe(tries);
  });

  test("is tried more than once however short the time-out is", async () => {
    const state = start(away, 1);
    await pass(3);
    expect(state.ended).toBeInstanceOf(DependencyMissing);
    expect(state.triedAt.length).toBeGreaterThanOrEqual(2);
  });

  test.each([new Unstorable("22P02"), new TypeError("x is undefined")])(
    "that answers with %s is not waited for",
    async (error) => {
      const state = start(() => Promise.reject(error));
      await settled();
      expect([state.ended, state.triedAt.length]).toEqual([error, 1]);
    },
  );
});
