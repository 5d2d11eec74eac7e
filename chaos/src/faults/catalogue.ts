/** Every fault that there is, in the order of the report. */
import { aggregatorKill } from "./aggregator-kill.ts";
import { aggregatorPause } from "./aggregator-pause.ts";
import { clockStep } from "./clock.ts";
import type { Fault } from "./fault.ts";
import { postgresDiskFull, redisDiskFull, redisMemoryFull } from "./full-disks.ts";
import { flushAll, idsBelow, olderFile, streamDeleted } from "./losses.ts";
import { lostCommitReply, lostEnqueueReply } from "./lost-replies.ts";
import { mixtureOf } from "./mixture.ts";
import { network } from "./network.ts";
import { olderPostgres } from "./older-postgres.ts";
import { poison } from "./poison.ts";
import { postgresKill, postgresPause } from "./postgres-process.ts";
import { powerLoss, powerLossEverysec } from "./power-loss.ts";
import { redisKill, redisPause } from "./redis-process.ts";
import { refusals } from "./refusals.ts";
import { rollingRestart } from "./rolling-restart.ts";

/** What may act together: nothing that loses by design, or needs servers of its own. */
const MIXABLE: readonly Fault[] = [
  aggregatorKill,
  aggregatorPause,
  lostCommitReply,
  lostEnqueueReply,
  network,
  postgresKill,
  postgresPause,
  redisKill,
  redisMemoryFull,
  redisPause,
  refusals,
  rollingRestart,
];

export const FAULTS: readonly Fault[] = [
  aggregatorKill,
  redisKill,
  powerLoss,
  powerLossEverysec,
  postgresKill,
  aggregatorPause,
  redisPause,
  postgresPause,
  network,
  lostEnqueueReply,
  lostCommitReply,
  redisDiskFull,
  postgresDiskFull,
  redisMemoryFull,
  streamDeleted,
  flushAll,
  olderFile,
  idsBelow,
  olderPostgres,
  clockStep,
  poison,
  refusals,
  rollingRestart,
  mixtureOf(MIXABLE),
];
