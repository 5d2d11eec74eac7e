/**
 * Postgres goes back to what it was a moment ago, while Redis and the aggregators run on, as after a restore or a
 * failover to a replica that lagged. Redis still has what came since, so nothing is lost, not even where an epoch was
 * issued that Postgres no longer knows of. (That the tail is not cut before it is read again takes more deliveries than
 * one batch: aggregator/test/crash/gone-back.test.ts.)
 */
import { renameSync, rmSync } from "node:fs";
import type { Draw } from "@sekali/aggregator/harness/draw";
import { copyFolder } from "@sekali/aggregator/harness/go-back";
import type { World } from "../stack/world.ts";
import type { Fault } from "./fault.ts";

const EPOCH_SHARE = 0.6;
const MEANWHILE_MAX = 400;

export const olderPostgres: Fault = {
  name: "older-postgres",
  title: "an older Postgres restored, mostly behind an epoch",
  touches: ["postgres", "redis"],
  injections: 10,
  perEpisode: 2,
  reduced: 2,
  async inject(world, draw) {
    const { postgres } = world.servers;
    const copy = `${postgres.dataDir}.copy`;
    await postgres.kill();
    copyFolder(postgres.dataDir, copy);
    await postgres.start();
    await work(world, draw);
    await postgres.kill();
    rmSync(postgres.dataDir, { recursive: true });
    renameSync(copy, postgres.dataDir);
    world.positions.forget();
    await postgres.start();
  },
};

/** What Postgres will not remember. */
async function work(world: World, draw: Draw): Promise<void> {
  await world.clients.acknowledged(draw.integer(1, MEANWHILE_MAX));
  if (draw.random() > EPOCH_SHARE) return world.count("in the same epoch");
  world.count("behind an epoch");
  await world.servers.redis.kill();
  await world.servers.redis.start();
  await world.clients.acknowledged(draw.integer(1, MEANWHILE_MAX));
}
