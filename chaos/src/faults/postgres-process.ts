/** The Postgres process itself: killed, stopped at once, its backends terminated, or paused. */
import type { Draw } from "@sekali/aggregator/harness/draw";
import type { World } from "../stack/world.ts";
import { expectPostgresAway } from "./away.ts";
import type { Fault } from "./fault.ts";

const LONG_SHARE = 0.3;
const SHORT_MS_MAX = 800;
const STORM_ROUNDS = 12;
const STORM_PAUSE_MS_MAX = 120;

const KINDS: Readonly<Record<string, (world: World, draw: Draw) => Promise<void>>> = {
  async "kill -9"(world, draw) {
    await world.servers.postgres.kill();
    await stayAway(world, draw);
  },
  async "immediate stop"(world, draw) {
    await world.servers.postgres.immediateStop();
    await stayAway(world, draw);
  },
  async "storm of terminated backends"(world, draw) {
    for (let round = 0; round < STORM_ROUNDS; round += 1) {
      // The harness's own look may die with the others, or find that nobody may connect yet.
      await world.sql`
        SELECT pg_terminate_backend(pid) FROM pg_stat_activity
        WHERE application_name LIKE 'sekali %' AND datname = current_database()`.catch(() => undefined);
      await Bun.sleep(draw.random() * STORM_PAUSE_MS_MAX);
    }
  },
};

async function stayAway(world: World, draw: Draw): Promise<void> {
  if (draw.random() < LONG_SHARE) await expectPostgresAway(world);
  else await Bun.sleep(draw.random() * SHORT_MS_MAX);
  await world.servers.postgres.start();
}

export const postgresKill: Fault = {
  name: "postgres-kill",
  title: "kill -9 of Postgres, immediate stop, a storm of terminated backends",
  touches: ["postgres"],
  injections: 51,
  perEpisode: 6,
  reduced: 3,
  async inject(world, draw) {
    const kind = draw.pick(Object.keys(KINDS));
    world.count(kind);
    await Bun.sleep(draw.random() * SHORT_MS_MAX);
    await KINDS[kind]?.(world, draw);
  },
};

/** Past every deadline of a call to Postgres, or within all of them. */
const PAUSE_LONG_MS = { least: 9_500, most: 12_000 };
const PAUSE_SHORT_MS_MAX = 4_000;

export const postgresPause: Fault = {
  name: "postgres-pause",
  title: "pause of Postgres (SIGSTOP), then resume",
  touches: ["postgres"],
  injections: 20,
  perEpisode: 4,
  reduced: 1,
  async inject(world, draw) {
    const { postgres } = world.servers;
    const isLong = draw.random() < 0.5;
    world.count(isLong ? "past every deadline" : "within the deadlines");
    postgres.pause();
    try {
      if (isLong) await Bun.sleep(draw.integer(PAUSE_LONG_MS.least, PAUSE_LONG_MS.most));
      else await Bun.sleep(draw.random() * PAUSE_SHORT_MS_MAX);
    } finally {
      postgres.resume();
    }
  },
};
