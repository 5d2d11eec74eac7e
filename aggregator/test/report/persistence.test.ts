/** The report's test of persistence, with a stop and a start of everything. */
import { expect, test } from "bun:test";
import { startServers } from "../harness/backing-servers.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { openStack } from "../harness/stack.ts";

const TEST_MS_MAX = 120_000;

test.each(["in good order", "by kill -9"])(
  "persistence across a restart of everything (%s): stored events are duplicates afterwards, queued ones are stored",
  async (how) => {
    const servers = await startServers();
    const stack = await openStack({ servers });
    try {
      const first = await stack.start();
      const [stored, queued] = [makeEvents(60), makeEvents(40)];
      await stack.publisher.publishStored(stored);
      const { stats: before } = await stack.expectExact();
      await first.terminate();
      const api = await stack.start({ ROLES: "api" });
      await stack.publisher.publish(queued);
      if (how === "by kill -9") await Promise.all([api.kill(), servers.redis.kill(), servers.postgres.kill()]);
      else {
        await api.terminate();
        await Promise.all([servers.redis.stop(), servers.postgres.stop()]);
      }
      await Promise.all([servers.redis.start(), servers.postgres.start()]);
      await stack.start();
      stack.watchStats();
      const again = await stack.publisher.publishStored([...stored, ...queued]);
      expect(again).toMatchObject({ unique: 0, duplicates: 100 });
      const { stats } = await stack.expectExact();
      expect(stats.unique_processed).toBe(before.unique_processed + 40);
      expect(stats.received).toBe(200);
      expect(stats.topics).toEqual(before.topics);
    } finally {
      await stack[Symbol.asyncDispose]();
      await servers.stop();
    }
  },
  TEST_MS_MAX,
);
