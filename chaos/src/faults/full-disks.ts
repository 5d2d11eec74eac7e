/**
 * Full disks and full memory. The data folder of the server lies on a small tmpfs of its own, which takes root to
 * mount; a file that takes the rest of it fills it at once. With `appendfsync always` Redis ends itself then, and needs
 * its supervisor; Postgres may go on, or end itself too.
 */
import { closeSync, mkdirSync, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { eventually } from "@sekali/aggregator/harness/eventually";
import { request } from "@sekali/aggregator/harness/http-client";
import type { ServerNeeds } from "../stack/servers.ts";
import type { World } from "../stack/world.ts";
import { expectRedisAway, expectRefusal } from "./away.ts";
import type { Fault } from "./fault.ts";

const MEBIBYTE = 2 ** 20;
const SIZES_MIB = { redis: 192, postgres: 384 } as const;

function mount(folder: string, mebibytes: number): string | undefined {
  mkdirSync(folder, { recursive: true });
  const options = `size=${mebibytes}m,mode=755`;
  const { exitCode, stderr } = Bun.spawnSync(["mount", "-t", "tmpfs", "-o", options, "tmpfs", folder]);
  return exitCode === 0 ? undefined : stderr.toString().trim();
}

function unmount(folder: string): void {
  Bun.spawnSync(["umount", "-l", folder]);
}

function serversOnSmallDisk(which: "redis" | "postgres"): ServerNeeds | { readonly unavailable: string } {
  if (process.platform !== "linux" || process.getuid?.() !== 0) return { unavailable: "a small tmpfs takes root" };
  const trial = join("/tmp", `sekali-trial-${process.pid}`);
  const reason = mount(trial, 1);
  if (reason === undefined) unmount(trial);
  rmSync(trial, { recursive: true, force: true });
  if (reason !== undefined) return { unavailable: `no tmpfs can be mounted: ${reason}` };
  return {
    // Little of the log is kept for later, so that new segments are needed soon.
    postgresSettings: { max_wal_size: "64MB", min_wal_size: "32MB" },
    prepare: (folder) => {
      const place = join(folder, which);
      const failure = mount(place, SIZES_MIB[which]);
      if (failure !== undefined) throw new Error(`no tmpfs at ${place}: ${failure}`);
      return () => unmount(place);
    },
  };
}

/** Takes all that is left of the file system that the folder lies on. */
function fill(folder: string): string {
  const path = join(folder, "filler");
  const file = openSync(path, "w");
  for (let size = MEBIBYTE; size >= 1; size = Math.floor(size / 16)) {
    const block = Buffer.alloc(size);
    try {
      while (writeSync(file, block) === size);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
    }
  }
  closeSync(file);
  return path;
}

const SYMPTOM_MS_MAX = 25_000;

export const redisDiskFull: Fault = {
  name: "redis-disk-full",
  title: "the disk of Redis is full",
  touches: ["redis"],
  injections: 5,
  perEpisode: 5,
  reduced: 1,
  servers: () => serversOnSmallDisk("redis"),
  async inject(world) {
    const { redis, folder } = world.servers;
    const filler = fill(join(folder, "redis"));
    try {
      await eventually(
        () => {
          if (redis.running) throw new Error("it runs");
        },
        { within: SYMPTOM_MS_MAX, what: "the end of a Redis whose disk is full" },
      );
      await expectRedisAway(world);
    } finally {
      rmSync(filler);
      await redis.start();
    }
  },
};

export const postgresDiskFull: Fault = {
  name: "postgres-disk-full",
  title: "the disk of Postgres is full",
  touches: ["postgres"],
  injections: 5,
  perEpisode: 5,
  reduced: 1,
  servers: () => serversOnSmallDisk("postgres"),
  async inject(world, draw) {
    const { postgres, folder } = world.servers;
    const filler = fill(join(folder, "postgres"));
    try {
      await eventually(() => showsTrouble(world), { within: SYMPTOM_MS_MAX, what: "a stuck shard on a full disk" });
      await Bun.sleep(draw.random() * 3_000);
      world.count(postgres.running ? "Postgres goes on" : "Postgres has ended");
    } finally {
      rmSync(filler);
      // Where it is up, or coming up by itself, this does nothing.
      await postgres.start();
    }
  },
};

/** Some aggregator says that a shard is stuck, or that Postgres is away. */
async function showsTrouble(world: World): Promise<void> {
  const bodies = await Promise.all(
    world.nodes.map(async ({ directUrl }) => await (await request(`${directUrl}/readyz`)).text()),
  );
  if (bodies.every((body) => body.includes('"stuck_shards":[]') && /"postgres":\{"status":"up"/.test(body))) {
    throw new Error("nothing is stuck");
  }
}

/** Less than an empty Redis takes. */
const MEMORY_BYTES = MEBIBYTE / 2;
const FULL_MS_MAX = 2_500;

export const redisMemoryFull: Fault = {
  name: "redis-memory-full",
  title: "Redis has reached its maxmemory",
  touches: ["redis"],
  injections: 5,
  perEpisode: 5,
  reduced: 1,
  async inject(world, draw) {
    await world.redisCommand("CONFIG", "SET", "maxmemory", String(MEMORY_BYTES));
    try {
      await expectRefusal(world);
      await Bun.sleep(draw.random() * FULL_MS_MAX);
    } finally {
      await world.redisCommand("CONFIG", "SET", "maxmemory", "0");
    }
  },
};
