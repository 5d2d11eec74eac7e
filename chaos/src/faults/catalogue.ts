/** Every fault that there is. */
import { aggregatorKill } from "./aggregator-kill.ts";
import type { Fault } from "./fault.ts";
import { lostCommitReply, lostEnqueueReply } from "./lost-replies.ts";
import { redisKill, redisPause } from "./redis-process.ts";

export const FAULTS: readonly Fault[] = [aggregatorKill, redisKill, redisPause, lostEnqueueReply, lostCommitReply];
