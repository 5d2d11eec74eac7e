/** The Redis process itself: killed, or paused. */
import { expectRedisAway } from "./away.ts";
import type { Fault } from "./fault.ts";

/** Of all kills, how many stay away long enough for what must be seen meanwhile. */
const LONG_SHARE = 0.4;
const SHORT_MS_MAX = 400;

export const redisKill: Fault = {
  name: "redis-kill",
  title: "kill -9 of Redis",
  touches: ["redis"],
  injections: 30,
  perEpisode: 5,
  reduced: 2,
  async inject(world, draw) {
    const { redis } = world.servers;
    await Bun.sleep(draw.random() * SHORT_MS_MAX);
    await redis.kill();
    if (draw.random() < LONG_SHARE) await expectRedisAway(world);
    else await Bun.sleep(draw.random() * SHORT_MS_MAX);
    await redis.start();
  },
};

const PAUSE_MS_MAX = 4_000;

export const redisPause: Fault = {
  name: "redis-pause",
  title: "pause of Redis (SIGSTOP), then resume",
  touches: ["redis"],
  injections: 20,
  perEpisode: 4,
  reduced: 1,
  async inject(world, draw) {
    const { redis } = world.servers;
    redis.pause();
    try {
      if (draw.random() < LONG_SHARE) await expectRedisAway(world);
      else await Bun.sleep(draw.random() * PAUSE_MS_MAX);
    } finally {
      redis.resume();
    }
  },
};
