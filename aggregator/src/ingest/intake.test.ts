import { describe, expect, test } from "bun:test";
import { makeEvents } from "../../test/harness/event-factory.ts";
import { type Caller, EVERYBODY } from "../access/caller.ts";
import { OverQuota, TokenBucket } from "../access/token-bucket.ts";
import { Overloaded, type Receipt } from "./batcher.ts";
import { Intake } from "./intake.ts";

const BURST = 10;

/** One whose key gains next to nothing while a test runs. */
function callerWith(quota: TokenBucket): Caller {
  return { ...EVERYBODY, quota };
}

function quotaOf(burst: number): TokenBucket {
  return new TokenBucket({ rate: 1, burst }, () => 0);
}

function tokensLeft(quota: TokenBucket): number {
  let tokens = 0;
  try {
    for (; ; tokens += 1) quota.take(1);
  } catch (error) {
    if (!(error instanceof OverQuota)) throw error;
  }
  return tokens;
}

/** @param outcomes of what is submitted, one after the other. */
function intakeWith(outcomes: readonly (Error | undefined)[], admitted: string[] = []): Intake {
  const left = outcomes.values();
  const submit = (): Promise<Receipt> => {
    const error = left.next().value;
    return error === undefined
      ? Promise.resolve({ shard: 0, epoch: 1, seq: 1 } as unknown as Receipt)
      : Promise.reject(error);
  };
  const topics = {
    topicsMax: 100,
    admit: (names: Iterable<string>) => {
      admitted.push(...names);
      return new Set<string>();
    },
  };
  return new Intake({ submit }, { of: async () => [] }, topics, { bodyBytesMax: 1000, batchEventsMax: 100 });
}

const batchOf = (events: number) => ({ events: makeEvents(events, { topic: "a" }), text: "" });
const atIndex = (index: number) => `/${index}`;

describe("of a request that becomes several batches, the quota is charged for", () => {
  test.each([
    ["all that was queued", [undefined, undefined], 0],
    ["what was queued, where there was no room for the rest", [undefined, new Overloaded("full")], 4],
    ["nothing, where there was room for none", [new Overloaded("full"), new Overloaded("full")], 10],
    ["all of it, where nobody can say", [undefined, new Error("away")], 0],
  ] as const)("%s", async (_, outcomes, left) => {
    const quota = quotaOf(BURST);
    const intake = intakeWith(outcomes);
    const batches = [6, 4].map((events) => intake.admit(callerWith(quota), batchOf(events), atIndex));
    await intake.queueAll(batches, "otlp").catch(() => undefined);
    expect(tokensLeft(quota)).toBe(left);
  });
});

test("topics of what the quota refuses take up no room; nothing at all is refused nothing", () => {
  const quota = quotaOf(1);
  quota.take(2);
  const admitted: string[] = [];
  const intake = intakeWith([], admitted);
  const caller = callerWith(quota);
  expect(() => intake.admit(caller, batchOf(1), atIndex)).toThrow(OverQuota);
  expect(() => intake.crowdedTopics(caller, batchOf(1).events)).toThrow(OverQuota);
  expect(admitted).toEqual([]);
  expect(intake.admit(caller, batchOf(0), atIndex).events).toEqual([]);
});
