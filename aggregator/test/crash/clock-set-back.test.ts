/**
 * A clock set back: ids and order do not depend on clocks, so nothing may change. A small library
 * (harness/shifted-clock.c) that is compiled here and preloaded gives Redis and the aggregator another time. It needs
 * Linux and a C compiler; without them the test is skipped, and says so.
 */
import { afterAll, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@sekali/native";
import type { Subprocess } from "bun";
import { backingServers, useBackingServers } from "../harness/backing-servers.ts";
import { makeEvents, withDuplicates } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { buildPreload, preloadUnavailable } from "../harness/preload.ts";
import { redisCommand } from "../harness/redis-commands.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

const HOUR_S = 3_600;

const unavailable = preloadUnavailable();
if (unavailable !== undefined) console.info(`skipped: no clock can be set back: ${unavailable}`);
const folder = mkdtempSync(join(tmpdir(), "sekali-clock-"));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function clock(shift_s: number): Record<string, string> {
  return { LD_PRELOAD: buildPreload("shifted-clock"), CLOCK_SHIFT_S: String(shift_s) };
}

class ShiftedRedis {
  readonly port: number;
  readonly #folder = mkdtempSync(join(folder, "redis-"));
  #child: Subprocess | undefined;

  constructor(port: number) {
    this.port = port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(shift_s: number): Promise<void> {
    const settings = [
      "--appendonly",
      "yes",
      "--appendfsync",
      "always",
      "--maxmemory-policy",
      "noeviction",
      "--save",
      "",
    ];
    this.#child = Bun.spawn(["redis-server", "--port", String(this.port), "--dir", this.#folder, ...settings], {
      env: { PATH: process.env["PATH"] ?? "", ...clock(shift_s) },
      stdout: "ignore",
      stderr: "ignore",
    });
    await eventually(async () => expect(await redisCommand(this.url, "PING")).toBe("PONG"));
  }

  async stop(): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#child?.exited;
  }
}

test.skipIf(unavailable !== undefined)(
  "clocks set back by a day under a backlog: nothing is lost or skipped (P3)",
  async () => {
    const redis = new ShiftedRedis(await freePort());
    await redis.start(0);
    const servers = await backingServers();
    const lent = { ...servers, redis: { ...servers.redis, port: redis.port, url: redis.url } };
    const stack = await openStack({ servers: lent });
    try {
      const api = await stack.start({ ROLES: "api", ...clock(0) });
      stack.watchStats();
      await stack.publisher.publishAll([withDuplicates(40, 20), withDuplicates(40, 20)]);
      await api.kill();
      await redis.stop();
      await redis.start(-24 * HOUR_S);
      const [seconds] = (await redisCommand(redis.url, "TIME")) as [string];
      expect(Number(seconds)).toBeLessThan(Date.now() / 1000 - 23 * HOUR_S);
      await stack.start(clock(-24 * HOUR_S));
      await stack.publisher.publishStored(makeEvents(60));
      const { stats } = await stack.expectExact();
      expect(stats).toMatchObject({ received: 180, lost: 0 });
    } finally {
      await stack[Symbol.asyncDispose]();
      await redis.stop();
    }
  },
);
