import { afterEach, describe, expect, jest, test } from "bun:test";
import { MemoryShardStore } from "../../test/fakes/memory-shard-store.ts";
import { recordedLog } from "../../test/fakes/recorded-log.ts";
import { StoreAway } from "../store/port.ts";
import { TopicRegistry } from "./topic-registry.ts";

function registry(topicsMax: number, counted: readonly string[] = []) {
  const store = new MemoryShardStore();
  store.countedTopics = counted;
  return { store, topics: new TopicRegistry(store, topicsMax, recordedLog().log) };
}

/** One request with one event. */
function admits(topics: TopicRegistry, topic: string): boolean {
  return topics.admit([topic]).size === 0;
}

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

afterEach(() => {
  jest.useRealTimers();
});

describe("topics", () => {
  test("of one request are admitted all or none", () => {
    const { topics } = registry(3, []);
    expect(topics.admit(["a", "b"]).size).toBe(0);
    expect([...topics.admit(["a", "c", "d", "d", "e"])]).toEqual(["d", "e"]);
    // Nothing of the refused request has taken up room.
    expect(admits(topics, "f")).toBe(true);
  });

  test("are admitted up to the bound, and known ones beyond it", () => {
    const { topics } = registry(2);
    expect(["a", "b", "c", "a", "b", "d"].map((topic) => admits(topics, topic))).toEqual([
      true,
      true,
      false,
      true,
      true,
      false,
    ]);
  });

  test("that Postgres has counted take their place, and are always admitted", async () => {
    const { topics } = registry(2, ["a", "b", "c"]);
    await topics.start();
    expect(["a", "c", "d"].map((topic) => admits(topics, topic))).toEqual([true, true, false]);
    topics.stop();
  });

  test("of other processes are looked up near the bound, and not far from it", async () => {
    jest.useFakeTimers();
    const { store, topics } = registry(4, ["a"]);
    await topics.start();
    store.countedTopics = ["a", "x", "y"];
    jest.advanceTimersByTime(10_000);
    await settled();
    admits(topics, "b");
    admits(topics, "c");
    expect(admits(topics, "d")).toBe(true);
    jest.advanceTimersByTime(10_000);
    await settled();
    expect(["x", "y", "z"].map((topic) => admits(topics, topic))).toEqual([true, true, false]);
    topics.stop();
    expect(jest.getTimerCount()).toBe(0);
  });

  test("are admitted while Postgres is away", async () => {
    const { store, topics } = registry(1);
    store.before = () => {
      throw new StoreAway("away");
    };
    await topics.start();
    expect([admits(topics, "a"), admits(topics, "b")]).toEqual([true, false]);
    topics.stop();
  });
});
