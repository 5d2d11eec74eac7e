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

async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}

afterEach(() => {
  jest.useRealTimers();
});

describe("topics", () => {
  test("are admitted up to the bound, and known ones beyond it", () => {
    const { topics } = registry(2);
    expect(["a", "b", "c", "a", "b", "d"].map((topic) => topics.admit(topic))).toEqual([
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
    expect(["a", "c", "d"].map((topic) => topics.admit(topic))).toEqual([true, true, false]);
    topics.stop();
  });

  test("of other processes are looked up near the bound, and not far from it", async () => {
    jest.useFakeTimers();
    const { store, topics } = registry(4, ["a"]);
    await topics.start();
    store.countedTopics = ["a", "x", "y"];
    jest.advanceTimersByTime(10_000);
    await settled();
    topics.admit("b");
    topics.admit("c");
    expect(topics.admit("d")).toBe(true);
    jest.advanceTimersByTime(10_000);
    await settled();
    expect(["x", "y", "z"].map((topic) => topics.admit(topic))).toEqual([true, true, false]);
    topics.stop();
    expect(jest.getTimerCount()).toBe(0);
  });

  test("are admitted while Postgres is away", async () => {
    const { store, topics } = registry(1);
    store.before = () => {
      throw new StoreAway("away");
    };
    await topics.start();
    expect([topics.admit("a"), topics.admit("b")]).toEqual([true, false]);
    topics.stop();
  });
});
