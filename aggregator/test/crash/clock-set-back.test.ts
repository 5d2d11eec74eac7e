/**
 * A clock set back: ids and order do not depend on clocks, so nothing may change. Runs where libfaketime is installed
 * (Debian: `apt-get install faketime`), which gives one process another time; without it the test is skipped, and says so.
 */
import { expect, test } from "bun:test";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "@sekali/native";
import type { Subprocess } from "bun";
import { backingServers, useBackingServers } from "../harness/backing-servers.ts";
import { makeEvents, withDuplicates } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { redisCommand } from "../harness/redis-commands.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

const library = ["/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib/faketime", "/usr/lib64/faketime"]
  .flatMap((folder) => [join(folder, "faketime", "libfaketime.so.1"), join(folder, "libfaketime.so.1")])
  .find((path) => existsSync(path));
if (library === undefined) console.info("skipped: libfaketime is not installed, so no clock can be set back");

function clock(shift: string): Record<string, string> {
  return { LD_PRELOAD: library ?? "", FAKETIME: shift, DONT_FAKE_MONOTONIC: "1", FAKETIME_DONT_FAKE_MONOTONIC: "1" };
}

class ShiftedRedis {
  readonly port: number;
  readonly #folder = mkdtempSync(join(tmpdir(), "sekali-clock-"));
  #child: Subprocess | undefined;

  constructor(port: number) {
    this.port = port;
  }

  get url(): string {
    return `redis://127.0.0.1:${this.port}`;
  }

  async start(shift: string): Promise<void> {
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
      env: { PATH: process.env["PATH"] ?? "", ...clock(shift) },
      stdout: "ignore",
      stderr: "ignore",
    });
    await eventually(async () => expect(await redisCommand(this.url, "PING")).toBe("PONG"));
  }

  async stop(): Promise<void> {
    this.#child?.kill("SIGTERM");
    await this.#child?.exited;
  }

  async end(): Promise<void> {
    await this.stop();
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

test.skipIf(library === undefined)(
  "clocks set back by a day under a backlog: nothing is lost or skipped (P3)",
  async () => {
    const redis = new ShiftedRedis(await freePort());
    await redis.start("+0d");
    const servers = await backingServers();
    const lent = { ...servers, redis: { ...servers.redis, port: redis.port, url: redis.url } };
    const stack = await openStack({ servers: lent });
    try {
      const api = await stack.start({ ROLES: "api", ...clock("+0d") });
      stack.watchStats();
      await stack.publisher.publishAll([withDuplicates(40, 20), withDuplicates(40, 20)]);
      await api.kill();
      await redis.stop();
      await redis.start("-1d");
      const [seconds] = (await redisCommand(redis.url, "TIME")) as [string];
      expect(Number(seconds)).toBeLessThan(Date.now() / 1000 - 80_000);
      await stack.start(clock("-1d"));
      await stack.publisher.publishStored(makeEvents(60));
      const { stats } = await stack.expectExact();
      expect(stats).toMatchObject({ received: 180, lost: 0 });
    } finally {
      await stack[Symbol.asyncDispose]();
      await redis.end();
    }
  },
);
