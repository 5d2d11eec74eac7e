/**
 * Power loss of Redis: it is killed, and of its files nothing is left but what was fsynced.
 *
 * A small library (aggregator/test/harness/remembered-sync.c) that is preloaded into Redis writes down, at every fsync,
 * how long the file was when the fsync began; after the kill each file is cut to that. The disk is simulated in this
 * one respect, and everything else is real. `everysec` is the control: it must lose, and the loss must be reported.
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Draw } from "@sekali/aggregator/harness/draw";
import { buildPreload, preloadUnavailable } from "@sekali/aggregator/harness/preload";
import type { ServerNeeds } from "../stack/servers.ts";
import type { World } from "../stack/world.ts";
import type { Fault } from "./fault.ts";

const RECORD_BYTES = 4096 * 16;
const WAIT_MS_MAX = 900;

function serversWith(appendfsync: "always" | "everysec"): ServerNeeds | { readonly unavailable: string } {
  const unavailable = preloadUnavailable();
  if (unavailable !== undefined) return { unavailable };
  const folder = mkdtempSync(join(tmpdir(), "sekali-synced-"));
  const record = join(folder, "synced");
  writeFileSync(record, Buffer.alloc(RECORD_BYTES));
  return {
    redisSettings: { appendfsync },
    redisEnv: { LD_PRELOAD: buildPreload("remembered-sync"), SYNC_RECORD: record },
    prepare: () => () => rmSync(folder, { recursive: true, force: true }),
  };
}

/** Inode → length of what was made durable. */
function readRecord(path: string): Map<number, number> {
  const bytes = readFileSync(path);
  const synced = new Map<number, number>();
  for (let at = 0; at < bytes.length; at += 16) {
    const inode = Number(bytes.readBigUInt64LE(at));
    if (inode === 0) break;
    synced.set(inode, Number(bytes.readBigUInt64LE(at + 8)));
  }
  return synced;
}

/** Cuts what was never fsynced off the append-only files; gives how many bytes that were. */
function cutToSynced(dataDir: string, record: string): number {
  const synced = readRecord(record);
  const folder = join(dataDir, "appendonlydir");
  let cut = 0;
  for (const name of readdirSync(folder).filter((each) => each.endsWith(".incr.aof"))) {
    const path = join(folder, name);
    const { ino, size } = statSync(path);
    const durable = Math.min(size, synced.get(ino) ?? 0);
    truncateSync(path, durable);
    cut += size - durable;
  }
  return cut;
}

async function losePower(world: World, draw: Draw): Promise<void> {
  const { redis, needs } = world.servers;
  await Bun.sleep(draw.random() * WAIT_MS_MAX);
  await redis.kill();
  const cut = cutToSynced(redis.dataDir, needs.redisEnv?.["SYNC_RECORD"] ?? "");
  world.count(cut > 0 ? "something was cut off" : "everything was on disk");
  world.history.lossEnds();
  await redis.start();
}

export const powerLoss: Fault = {
  name: "power-loss",
  title: "power loss of Redis: what was not fsynced is cut off",
  touches: ["redis"],
  injections: 30,
  perEpisode: 10,
  reduced: 2,
  servers: () => serversWith("always"),
  inject: losePower,
};

export const powerLossEverysec: Fault = {
  name: "power-loss-everysec",
  title: "the same with `everysec`: the control that must lose",
  touches: ["redis"],
  injections: 30,
  perEpisode: 10,
  reduced: 4,
  loses: true,
  mustLose: true,
  servers: () => serversWith("everysec"),
  inject: losePower,
};
