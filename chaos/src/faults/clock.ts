/**
 * Clocks are stepped by an hour, forward and back, each process's by itself, while it runs. A preloaded library
 * (aggregator/test/harness/shifted-clock.c) adds what a file says; `libfaketime` clashes with Redis's allocator.
 */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildPreload, preloadUnavailable } from "@sekali/aggregator/harness/preload";
import type { ServerNeeds } from "../stack/servers.ts";
import type { World } from "../stack/world.ts";
import type { Fault } from "./fault.ts";

const HOUR_S = 3_600;
const TOLERANCE_S = 60;
const CLOCKS = ["redis", "postgres", "aggregators"] as const;

function servers(): ServerNeeds | { readonly unavailable: string } {
  const unavailable = preloadUnavailable();
  if (unavailable !== undefined) return { unavailable };
  const folder = mkdtempSync(join(tmpdir(), "sekali-clocks-"));
  Bun.spawnSync(["chmod", "755", folder]);
  const library = buildPreload("shifted-clock");
  const clock = (name: string) => {
    const file = join(folder, name);
    writeShift(file, 0);
    return { LD_PRELOAD: library, CLOCK_SHIFT_FILE: file };
  };
  return {
    redisEnv: clock("redis"),
    postgresEnv: clock("postgres"),
    aggregatorEnv: clock("aggregators"),
    prepare: () => () => rmSync(folder, { recursive: true, force: true }),
  };
}

function shiftFile(world: World, which: (typeof CLOCKS)[number]): string {
  const { redisEnv, postgresEnv, aggregatorEnv } = world.servers.needs;
  const env = { redis: redisEnv, postgres: postgresEnv, aggregators: aggregatorEnv }[which];
  return env?.["CLOCK_SHIFT_FILE"] ?? "";
}

function readShift(file: string): number {
  return Number(readFileSync(file).readBigInt64LE(0));
}

/** Written in place: the processes have this very file mapped. */
function writeShift(file: string, seconds: number): void {
  const bytes = Buffer.alloc(8);
  bytes.writeBigInt64LE(BigInt(seconds));
  writeFileSync(file, bytes, { flag: Bun.file(file).size === bytes.length ? "r+" : "w" });
}

/** That the step has arrived: a library that does nothing would make every clock look sound. */
async function expectStepped(world: World, shift_s: number, now: () => Promise<number>): Promise<void> {
  const seen = (await now()) - Date.now() / 1000;
  if (Math.abs(seen - shift_s) > TOLERANCE_S) world.complain(`a clock is off by ${seen} s instead of ${shift_s} s`);
}

export const clockStep: Fault = {
  name: "clock-step",
  title: "clocks stepped by an hour, both ways",
  touches: ["redis", "postgres", "aggregators"],
  injections: 12,
  perEpisode: 4,
  reduced: 2,
  servers,
  async inject(world, draw) {
    const stepped = draw.random() < 0.3 ? CLOCKS : [draw.pick(CLOCKS)];
    for (const which of stepped) {
      const file = shiftFile(world, which);
      const now = readShift(file);
      // Never further off than an hour, so that both directions come up and both come back.
      const to = now === 0 ? draw.pick([-HOUR_S, HOUR_S]) : 0;
      writeShift(file, to);
      world.count(`${which} ${to > now ? "forward" : "back"}`);
    }
    await expectStepped(world, readShift(shiftFile(world, "redis")), async () => {
      const [seconds] = (await world.redisCommand("TIME")) as [string];
      return Number(seconds);
    });
    await expectStepped(world, readShift(shiftFile(world, "postgres")), async () => {
      const [row] = await world.sql`SELECT extract(epoch FROM clock_timestamp())::float8 AS seconds`;
      return Number(row?.["seconds"]);
    });
  },
};
