import { afterEach, beforeEach, expect, jest, test } from "bun:test";
import { Registry } from "prom-client";
import { entry, MemoryQueue } from "../../test/fakes/memory-queue.ts";
import { StoreAway, type Tally } from "../store/port.ts";
import { SharedMetrics } from "./metrics-shared.ts";

const COUNT = { unique_processed: 5, duplicate_dropped: 3, conflicts: 1, dead_lettered: 2 };
const TALLY: Tally = {
  topics: new Map([
    ["a", COUNT],
    ["b", COUNT],
    ["", { ...COUNT, unique_processed: 0 }],
  ]),
  lost: 7,
  deadOpen: 4,
  positions: new Map([[3, { epoch: 1, seq: 20 }]]),
};

let queue: MemoryQueue;
let registry: Registry;
let shared: SharedMetrics;
let tallies: number;
let at: number;
let tally: () => Promise<Tally>;

beforeEach(() => {
  jest.useFakeTimers();
  queue = new MemoryQueue();
  registry = new Registry();
  tallies = 0;
  at = 1000;
  tally = async () => TALLY;
  const store = {
    tally: () => {
      tallies += 1;
      return tally();
    },
  };
  shared = new SharedMetrics(registry, store, queue, () => at);
});
afterEach(() => {
  jest.useRealTimers();
});

async function scrape(): Promise<string[]> {
  await shared.refresh();
  return (await registry.metrics()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
}

test("shows the counters of all topics, and what waits behind each position", async () => {
  queue.shard(3).head = { epoch: 1, seq: 25 };
  queue.shard(3).entries = [entry({ epoch: 1, seq: 25 }, 5)];
  const lines = await scrape();
  expect(lines).toContain("sekali_stored_events_total 10");
  expect(lines).toContain("sekali_dropped_duplicates_total 9");
  expect(lines).toContain("sekali_conflicts_total 3");
  expect(lines).toContain("sekali_dead_lettered_deliveries_total 6");
  expect(lines).toContain("sekali_open_dead_letter_deliveries 4");
  expect(lines).toContain("sekali_lost_deliveries_total 7");
  expect(lines).toContain("sekali_topics 2");
  expect(lines).toContain('sekali_queued_deliveries{shard="3"} 5');
  expect(lines.some((line) => /^sekali_oldest_queued_delivery_age_seconds\{shard="3"\} [1-9]/.test(line))).toBe(true);
});

test("counts that are read again do not add up", async () => {
  await scrape();
  at += 600;
  expect(await scrape()).toContain("sekali_stored_events_total 10");
});

test("scrapers share a read while it is under way, and for half a second", async () => {
  await Promise.all([scrape(), scrape(), scrape()]);
  at += 400;
  await scrape();
  expect(tallies).toBe(1);
  at += 200;
  await scrape();
  expect(tallies).toBe(2);
});

test("what is away is left out", async () => {
  queue.before = () => {
    throw new Error("away");
  };
  const lines = await scrape();
  expect(lines).toContain("sekali_stored_events_total 10");
  expect(lines.some((line) => line.startsWith("sekali_queued_deliveries"))).toBe(false);
});

test("a store that is away takes its counters with it, those of a scrape before included", async () => {
  await scrape();
  tally = () => Promise.reject(new StoreAway("away"));
  at += 600;
  const lines = await scrape();
  expect(lines).toContain('sekali_up{dependency="postgres"} 0');
  expect(lines).toContain('sekali_up{dependency="redis"} 1');
  expect(lines.some((line) => line.startsWith("sekali_stored_events_total"))).toBe(false);
});

test("a store that does not answer holds up no scrape for long, and is not asked twice meanwhile", async () => {
  tally = () => new Promise(() => {});
  const first = scrape();
  jest.advanceTimersByTime(2100);
  expect(await first).toContain('sekali_up{dependency="postgres"} 0');
  at += 2100;
  const second = scrape();
  jest.advanceTimersByTime(2100);
  await second;
  expect(tallies).toBe(1);
});
