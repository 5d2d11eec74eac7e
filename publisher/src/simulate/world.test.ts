import { describe, expect, test } from "bun:test";
import { parsePublishBody, SOURCES, TOPICS } from "@sekali/contract";
import { version } from "uuid";
import { Recent } from "./recent.ts";
import { createWorld } from "./world.ts";

const options = { seed: 42, duplicateRatio: 0.3, uuidVersion: 4 } as const;

describe("a simulated world", () => {
  test("makes events that the contract accepts, on every topic and from every source", () => {
    const world = createWorld(options);
    const events = Array.from({ length: 500 }, () => world.next().prepared);
    const body = new TextEncoder().encode(`[${events.map(({ body: text }) => text).join(",")}]`);
    expect(parsePublishBody(body, { batchEventsMax: 500 }).ok).toBe(true);
    expect(new Set(events.map(({ event }) => event.topic))).toEqual(new Set<string>(TOPICS));
    expect(new Set(events.map(({ event }) => event.source))).toEqual(new Set<string>(SOURCES));
    expect(Object.keys(events[0]?.event.payload ?? {})).toEqual(["cpu_usage", "memory", "status"]);
  });

  test("resends 30 % of 10,000 within one point, to the byte what was sent before", () => {
    const world = createWorld(options);
    const sent = new Map<string, string>();
    let resent = 0;
    for (let n = 0; n < 10_000; n += 1) {
      const { isResent, prepared } = world.next();
      expect(sent.get(prepared.event.event_id)).toBe(isResent ? prepared.body : undefined);
      sent.set(prepared.event.event_id, prepared.body);
      if (isResent) resent += 1;
    }
    expect(Math.abs(resent - 3000)).toBeLessThan(100);
  });

  test("makes the same choices from the same seed, with identities of its own", () => {
    const [one, two, other] = [createWorld(options), createWorld(options), createWorld({ ...options, seed: 43 })];
    const choices = (world: typeof one) =>
      Array.from({ length: 200 }, () => {
        const { isResent, prepared } = world.next();
        const { topic, source, payload } = prepared.event;
        return { isResent, topic, source, payload };
      });
    const first = choices(one);
    expect(choices(two)).toEqual(first);
    expect(choices(other)).not.toEqual(first);
    expect(one.next().prepared.event.event_id).not.toBe(two.next().prepared.event.event_id);
  });

  test.each([4, 7] as const)("gives UUIDs of version %d", (uuidVersion) => {
    expect(version(createWorld({ ...options, uuidVersion }).next().prepared.event.event_id)).toBe(uuidVersion);
  });

  test.each([
    [0, 0],
    [1, 99],
  ])("a ratio of %d resends %d of 100: the first has nothing to repeat", (duplicateRatio, expected) => {
    const world = createWorld({ ...options, duplicateRatio });
    const resent = Array.from({ length: 100 }, () => world.next()).filter(({ isResent }) => isResent);
    expect(resent.length).toBe(expected);
  });
});

test("the deque of recent events holds the latest, and no more than its bound", () => {
  const recent = new Recent<number>(3);
  for (let n = 1; n <= 5; n += 1) recent.push(n);
  expect(recent.size).toBe(3);
  expect(new Set([recent.at(0), recent.at(1), recent.at(2)])).toEqual(new Set([3, 4, 5]));
});
