import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { RequestError } from "../problem.ts";
import { type Caller, EVERYBODY } from "./caller.ts";
import { requireGood, whenEnded } from "./end-of-caller.ts";

let nowMs: number;
let ends: number;
let revoked: AbortController;
let over: AbortController;

beforeEach(() => {
  jest.useFakeTimers();
  nowMs = 0;
  ends = 0;
  revoked = new AbortController();
  over = new AbortController();
});
afterEach(() => jest.useRealTimers());

/** Ends by itself so much later. */
function callerFor(ms: number): Caller {
  return {
    ...EVERYBODY,
    ended: revoked.signal,
    get leftMs() {
      return ms - nowMs;
    },
  };
}

const watch = (caller: Caller) => whenEnded(caller, over.signal, () => (ends += 1));

function pass(ms: number): void {
  nowMs += ms;
  jest.advanceTimersByTime(ms);
}

describe("what goes on for longer ends", () => {
  test("at the caller's end, once", () => {
    watch(callerFor(12 * 3_600_000));
    pass(12 * 3_600_000 - 1);
    expect(ends).toBe(0);
    pass(1);
    pass(60_000);
    expect(ends).toBe(1);
  });

  test("when the key is revoked before", () => {
    watch(callerFor(60_000));
    revoked.abort();
    expect(ends).toBe(1);
  });

  test("at once where the caller has ended already", () => {
    watch(callerFor(0));
    revoked.abort();
    watch(callerFor(1));
    expect(ends).toBe(2);
  });

  test("soon after the clock was set past the end, or the machine has slept", () => {
    watch(callerFor(3_600_000));
    nowMs += 3_600_000;
    pass(10_000);
    expect(ends).toBe(1);
  });

  test("not where it is over by then, and nothing waits for that", () => {
    watch(callerFor(60_000));
    over.abort();
    pass(120_000);
    revoked.abort();
    watch(callerFor(0));
    expect([ends, jest.getTimerCount()]).toEqual([0, 0]);
  });

  test("never where nobody is asked for a key, without a timer", () => {
    watch(EVERYBODY);
    expect(jest.getTimerCount()).toBe(0);
  });
});

test("a request goes on while the caller is good", () => {
  requireGood(EVERYBODY);
  requireGood(callerFor(1));
  expect(() => requireGood(callerFor(0))).toThrow(RequestError);
  revoked.abort();
  expect(() => requireGood(callerFor(1))).toThrow(RequestError);
});
