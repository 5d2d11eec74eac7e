import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { recordedLog } from "../../test/fakes/recorded-log.ts";
import type { LiveKey } from "../store/key-port.ts";
import { StoreAway } from "../store/port.ts";
import { Keyring } from "./keyring.ts";

const one: LiveKey = {
  id: 1,
  name: "one",
  digest: "11",
  scopes: ["read"],
  topics: [">"],
  quota: undefined,
  expiresInMs: undefined,
};
const two: LiveKey = { ...one, id: 2, name: "two", digest: "22" };

let keys: readonly LiveKey[];
let reads: number;
let noted: number[][];
let isAway: boolean;
let nowMs: number;
let keyring: Keyring;
let lines: ReturnType<typeof recordedLog>;
beforeEach(() => {
  keys = [one];
  reads = 0;
  noted = [];
  isAway = false;
  nowMs = 0;
  lines = recordedLog();
  const store = {
    async liveKeys() {
      reads += 1;
      if (isAway) throw new StoreAway("connect 10.0.0.7");
      return keys;
    },
    async noteUse(ids: readonly number[]) {
      noted.push([...ids]);
    },
  };
  keyring = new Keyring(store, lines.log, () => nowMs);
});
afterEach(() => {
  jest.useRealTimers();
  return keyring.stop();
});

/** Time passes for the keyring and for its timers. */
async function pass(ms: number): Promise<void> {
  for (let left = ms; left > 0; left -= 100) {
    nowMs += 100;
    jest.advanceTimersByTime(100);
    for (let turn = 0; turn < 20; turn += 1) await Promise.resolve();
  }
}

describe("a known key", () => {
  test("is found by its digest and by its id, without asking the store", async () => {
    await keyring.start();
    expect(keyring.find("11")?.name).toBe("one");
    expect(keyring.findById(1)?.name).toBe("one");
    expect(keyring.find("1")).toBeUndefined();
    expect(keyring.find("22")).toBeUndefined();
    expect(reads).toBe(1);
  });

  test("that is gone at the next read is found no more, and whoever holds it hears of it", async () => {
    jest.useFakeTimers();
    await keyring.start();
    const held = keyring.find("11");
    keys = [];
    await pass(3000);
    expect(keyring.find("11")).toBeUndefined();
    expect(keyring.findById(1)).toBeUndefined();
    expect(held?.ended.aborted).toBe(true);
  });

  test("expires by this process's own clock, though the store is away", async () => {
    jest.useFakeTimers();
    keys = [{ ...one, expiresInMs: 5000 }];
    await keyring.start();
    const held = keyring.find("11");
    isAway = true;
    await pass(4900);
    expect(keyring.find("11")).toBe(held);
    await pass(100);
    expect(keyring.find("11")).toBeUndefined();
    await pass(3000);
    expect(held?.ended.aborted).toBe(true);
  });

  test("goes on while the store is away, which is said once, and once when it is back", async () => {
    jest.useFakeTimers();
    await keyring.start();
    isAway = true;
    await pass(10_000);
    expect(keyring.find("11")?.name).toBe("one");
    isAway = false;
    await pass(5000);
    const said = lines.lines.map(({ msg }) => msg);
    expect(said).toEqual(["Keys can't be read; those that are known go on", "Keys are read again"]);
  });

  test("stays the same object from read to read", async () => {
    await keyring.start();
    const held = keyring.find("11");
    keys = [one, two];
    await keyring.refresh();
    expect(keyring.find("11")).toBe(held);
    expect(keyring.find("22")?.name).toBe("two");
  });
});

describe("an unknown key", () => {
  test("is looked for in the store at once", async () => {
    await keyring.start();
    nowMs += 1000;
    keys = [one, two];
    expect((await keyring.findFresh("22"))?.name).toBe("two");
  });

  test("costs one read, however many show one at once", async () => {
    await keyring.start();
    nowMs += 1000;
    const found = await Promise.all(Array.from({ length: 1000 }, () => keyring.findFresh("99")));
    expect(found.every((key) => key === undefined)).toBe(true);
    expect(reads).toBe(2);
  });

  test("waits for the pace, and then for a read that began after it was shown", async () => {
    jest.useFakeTimers();
    await keyring.start();
    let found: string | undefined = "";
    void keyring.findFresh("22").then((key) => {
      found = key?.name;
    });
    keys = [one, two];
    await pass(200);
    expect([reads, found]).toEqual([1, ""]);
    await pass(100);
    expect([reads, found]).toEqual([2, "two"]);
  });

  test("is not denied while the store is away", async () => {
    await keyring.start();
    nowMs += 1000;
    isAway = true;
    await expect(keyring.findFresh("22")).rejects.toBeInstanceOf(StoreAway);
  });
});

describe("that a key was used", () => {
  test("is noted soon, then once a minute, and at the end; never where nothing was", async () => {
    jest.useFakeTimers();
    keys = [one, two];
    await keyring.start();
    const use = () => {
      const key = keyring.find("11");
      if (key !== undefined) key.isUsed = true;
    };
    await pass(10_000);
    expect(noted).toEqual([]);
    use();
    await pass(3000);
    expect(noted).toEqual([[1]]);
    use();
    await pass(50_000);
    expect(noted).toEqual([[1]]);
    await pass(20_000);
    expect(noted).toEqual([[1], [1]]);
    use();
    await keyring.stop();
    expect(noted).toEqual([[1], [1], [1]]);
  });
});
