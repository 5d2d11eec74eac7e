import { afterEach, beforeEach, describe, expect, jest, test } from "bun:test";
import { MemoryQueue } from "../../test/fakes/memory-queue.ts";
import { MemoryShardStore } from "../../test/fakes/memory-shard-store.ts";
import { recordedLog } from "../../test/fakes/recorded-log.ts";
import type { Role } from "../config.ts";
import { ShardKeeper } from "../ingest/shard-keeper.ts";
import type { EventStore } from "../store/port.ts";
import { StoreAway } from "../store/port.ts";
import type { Stuck } from "../worker/shard-worker.ts";
import { HealthRoutes } from "./health-routes.ts";

const access = { mode: "open", warnings: ["others can reach it"] } as const;
let queue: MemoryQueue;
let shards: MemoryShardStore;
let keeper: ShardKeeper;
let postgresIsUp: boolean;
let pings: number;
let stuck: readonly Stuck[];
beforeEach(() => {
  jest.useFakeTimers();
  queue = new MemoryQueue();
  shards = new MemoryShardStore();
  keeper = new ShardKeeper(queue, shards, 1, { eventsMax: 10, bytesMax: 10 }, recordedLog().log);
  postgresIsUp = true;
  pings = 0;
  stuck = [];
});
afterEach(() => {
  keeper.stop();
  jest.useRealTimers();
});

async function routes(roles: readonly Role[] = ["api", "worker"]): Promise<HealthRoutes> {
  const store: EventStore = {
    async ping() {
      pings += 1;
      if (!postgresIsUp) throw new StoreAway("connect 10.0.0.7");
    },
    tally: () => Promise.reject(new Error("not asked")),
  };
  if (roles.includes("api")) await keeper.start();
  return new HealthRoutes({ roles: new Set(roles), queue, store, keeper, stuck: () => stuck, access });
}

async function ready(health: HealthRoutes) {
  const response = await health.ready();
  const body = (await response.json()) as { status: string; dependencies: Record<string, { status: string }> };
  const { redis, postgres } = body.dependencies;
  return { code: response.status, status: body.status, redis: redis?.status, postgres: postgres?.status };
}

test("a process that answers is alive, whatever is away", async () => {
  const health = await routes();
  queue.link.become("away");
  health.drain();
  expect([health.alive().status, await health.alive().json()]).toEqual([200, { status: "alive" }]);
});

describe("a process that takes publishes", () => {
  test("is ready with both dependencies", async () => {
    expect(await ready(await routes())).toEqual({ code: 200, status: "ready", redis: "up", postgres: "up" });
  });

  test("is ready while Postgres is away, and says that it is degraded", async () => {
    const health = await routes();
    postgresIsUp = false;
    expect(await ready(health)).toEqual({ code: 200, status: "degraded", redis: "up", postgres: "away" });
  });

  test("is not ready while Redis is away (P6)", async () => {
    const health = await routes();
    queue.link.become("away");
    expect(await ready(health)).toEqual({ code: 503, status: "not ready", redis: "away", postgres: "up" });
    expect((await health.ready()).headers.get("retry-after")).toBe("1");
  });

  test("is not ready while no shard takes deliveries", async () => {
    shards.before = () => {
      throw new StoreAway("away");
    };
    expect(await ready(await routes(["api"]))).toMatchObject({ code: 503, status: "not ready", redis: "up" });
  });

  test("is not ready with another installation's Redis, and says so", async () => {
    Object.assign(queue.shard(0), { installation: "theirs", head: { epoch: 1, seq: 1 } });
    expect(await ready(await routes())).toMatchObject({ code: 503, redis: "foreign" });
  });
});

describe("a process that only works", () => {
  test.each([
    ["both", "up", true, 200],
    ["no Redis", "away", true, 503],
    ["no Postgres", "up", false, 503],
  ] as const)("with %s", async (_name, link, postgres, code) => {
    const health = await routes(["worker"]);
    queue.link.become(link);
    postgresIsUp = postgres;
    expect((await ready(health)).code).toBe(code);
  });
});

test("a process that drains is not ready any more, for good", async () => {
  const health = await routes();
  health.drain();
  expect(await ready(health)).toEqual({ code: 503, status: "draining", redis: "up", postgres: "up" });
});

test("Postgres is asked at most twice a second, and never left unasked for longer", async () => {
  const health = await routes();
  await ready(health);
  postgresIsUp = false;
  jest.advanceTimersByTime(500);
  expect([(await ready(health)).postgres, pings]).toEqual(["up", 1]);
  jest.advanceTimersByTime(1);
  expect([(await ready(health)).postgres, pings]).toEqual(["away", 2]);
});

test("stuck shards and what Redis's settings give up are shown, a driver's text is not", async () => {
  const health = await routes();
  stuck = [{ shard: 4, reason: "connect 10.0.0.7", sinceMs: Date.now() - 3000, oldestAddedAtMs: undefined }];
  queue.link.durabilityWarnings = ["appendfsync is everysec, not always"];
  const body = await (await health.ready()).text();
  expect(body).not.toContain("10.0.0.7");
  expect(JSON.parse(body)).toMatchObject({
    dependencies: { redis: { durability_warnings: ["appendfsync is everysec, not always"] } },
    stuck_shards: [{ shard: 4, stuck_seconds: 3, oldest_delivery_seconds: null }],
  });
});

test("readiness says whether callers are asked for keys, and what is to be said of that", async () => {
  const body = await (await (await routes()).ready()).json();
  expect(body).toMatchObject({ access });
});
