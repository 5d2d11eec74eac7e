/** Redis is made to lose what it acknowledged, without its own fault: flushed, deleted from, or put back. */
import { cpSync, renameSync, rmSync } from "node:fs";
import type { Draw } from "@sekali/aggregator/harness/draw";
import { shardKeys } from "@sekali/aggregator/harness/redis-commands";
import { SHARDS, type World } from "../stack/world.ts";
import type { Fault } from "./fault.ts";

const BACKLOG_SHARE = 0.7;
const BACKLOG_MS_MAX = 900;
const BETWEEN_MS_MAX = 1_200;

/** Does something while entries wait in the streams, because the aggregators don't hear from Postgres for a moment. */
async function withBacklog(world: World, draw: Draw, act: () => Promise<void>): Promise<void> {
  const isStalled = draw.random() < BACKLOG_SHARE;
  world.count(isStalled ? "with a backlog" : "as it came");
  if (isStalled) for (const node of world.nodes) node.postgres.stall("request");
  try {
    await Bun.sleep(draw.random() * BACKLOG_MS_MAX);
    await act();
    world.history.lossEnds();
  } finally {
    for (const node of world.nodes) node.postgres.heal();
  }
}

const common = {
  touches: ["redis", "links"],
  injections: 10,
  perEpisode: 5,
  reduced: 2,
  loses: true,
} as const satisfies Partial<Fault>;

export const flushAll: Fault = {
  ...common,
  name: "flushall",
  title: "FLUSHALL",
  inject: (world, draw) =>
    withBacklog(world, draw, async () => {
      await world.redisCommand("FLUSHALL");
    }),
};

export const streamDeleted: Fault = {
  ...common,
  name: "stream-deleted",
  title: "streams deleted, their heads kept",
  inject: (world, draw) =>
    withBacklog(world, draw, async () => {
      const shards = draw.shuffled(Array.from({ length: SHARDS }, (_, shard) => shard));
      const doomed = shards.slice(0, draw.integer(1, SHARDS));
      await world.redisCommand("DEL", ...doomed.map((shard) => shardKeys(world.name, shard).stream));
    }),
};

export const olderFile: Fault = {
  ...common,
  name: "older-aof",
  title: "an older append-only file restored",
  async inject(world, draw) {
    const { redis } = world.servers;
    const copy = `${redis.dataDir}.copy`;
    await redis.kill();
    cpSync(redis.dataDir, copy, { recursive: true, preserveTimestamps: true });
    await redis.start();
    await world.clients.acknowledged(draw.integer(1, 200));
    await withBacklog(world, draw, async () => {
      await redis.kill();
      rmSync(redis.dataDir, { recursive: true });
      renameSync(copy, redis.dataDir);
    });
    await redis.start();
  },
};

/**
 * Both keys of a shard are kept aside, and put back later: the head is then below the position. Where the backlog began
 * before they were kept, it is below what was acknowledged, but not below the position, and only who saw that can tell.
 */
export const idsBelow: Fault = {
  ...common,
  name: "ids-below-position",
  title: "Redis goes back behind open connections: ids below the position",
  async inject(world, draw) {
    const keys = Array.from({ length: SHARDS }, (_, shard) => shardKeys(world.name, shard));
    const pairs = keys.flatMap(({ head, stream }) => [head, stream].map((key) => [key, `${key}:then`] as const));
    const keepAside = async () => {
      await copyKeys(world, pairs);
      await world.clients.acknowledged(draw.integer(1, 200));
      await Bun.sleep(draw.random() * BETWEEN_MS_MAX);
    };
    const putBack = () =>
      copyKeys(
        world,
        pairs.map(([key, then]) => [then, key] as const),
      );
    const isAllBehind = draw.random() < BACKLOG_SHARE;
    if (isAllBehind) await keepAside();
    await withBacklog(world, draw, async () => {
      if (!isAllBehind) await keepAside();
      await putBack();
    });
  },
};

/** In one step, as if nothing had been in between. What was not there is not there again. */
async function copyKeys(world: World, pairs: readonly (readonly [from: string, to: string])[]): Promise<void> {
  const script = `for i = 1, #KEYS, 2 do
    if redis.call('COPY', KEYS[i], KEYS[i + 1], 'REPLACE') == 0 then redis.call('DEL', KEYS[i + 1]) end
  end`;
  const keys = pairs.flat();
  await world.redisCommand("EVAL", script, String(keys.length), ...keys);
}
