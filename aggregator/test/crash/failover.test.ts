/**
 * The address of Redis or Postgres comes to mean another server, while the one that was there runs on: as a replica, as
 * a standby, or cut off. Or it meant the wrong one from the start. Work goes on by itself (P5), and nothing is taken
 * from a server that does not lead (P3, P4).
 */
import { afterEach, expect, test } from "bun:test";
import { type RedisServer, startRedis } from "@sekali/native";
import { type BackingServers, startServers, useBackingServers } from "../harness/backing-servers.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { Publisher, request } from "../harness/http-client.ts";
import { recount } from "../harness/recount.ts";
import { redisCommand, shardKeys } from "../harness/redis-commands.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { drained } from "../harness/stats-watch.ts";
import { TcpProxy } from "../harness/tcp-proxy.ts";

useBackingServers();
/** P5: after a dependency's return work goes on within this time. */
const RECOVERY_MS_MAX = 15_000;

let stack: Stack;
let own: BackingServers | undefined;
let other: RedisServer | undefined;
let otherLink: TcpProxy | undefined;

afterEach(async () => {
  await stack[Symbol.asyncDispose]();
  otherLink?.close();
  await other?.stop();
  await own?.stop();
  [own, other, otherLink] = [undefined, undefined, undefined];
});

const REPLICA_AT_ONCE = { "repl-diskless-sync-delay": "0" };

/** Makes one server the replica of another, and waits until it has all that the other one has of a shard. */
async function follow(replica: RedisServer, leader: RedisServer, shard: number): Promise<void> {
  await redisCommand(replica.url, "REPLICAOF", "127.0.0.1", String(leader.port));
  const { head } = shardKeys(stack.name, shard);
  await eventually(async () => {
    expect(await redisCommand(replica.url, "INFO", "replication")).toContain("master_link_status:up");
    const seqs = [replica, leader].map(({ url }) => redisCommand(url, "HGET", head, "seq"));
    const [mine, theirs] = await Promise.all(seqs);
    expect(mine).toBe(theirs as string);
  });
}

test("Redis is handed over to its replica, and becomes one with its connections open: work goes on (P5)", async () => {
  own = await startServers();
  const { redis } = own;
  await redisCommand(redis.url, "CONFIG", "SET", "repl-diskless-sync-delay", "0");
  other = await startRedis({ settings: REPLICA_AT_ONCE });
  stack = await openStack({ servers: own, env: { SHARDS: "1" } });
  await stack.start();
  await stack.publisher.publishStored(makeEvents(20));
  await follow(other, redis, 0);
  await redisCommand(other.url, "REPLICAOF", "NO", "ONE");
  stack.redisLink.targetPort = other.port;
  await redisCommand(redis.url, "REPLICAOF", "127.0.0.1", String(other.port));
  await stack.publisher.publishStored(makeEvents(30), { within: RECOVERY_MS_MAX });
  const { rows } = await stack.expectExact();
  expect(rows.lost).toBe(0);
});

test("another Redis takes over, and one connection stays with the old one: what is added to the new is stored (P5)", async () => {
  own = await startServers();
  const { redis } = own;
  other = await startRedis({});
  stack = await openStack({ servers: own, env: { SHARDS: "1" } });
  await stack.start();
  await stack.publisher.publishStored(makeEvents(20));
  stack.redisLink.targetPort = other.port;
  const clients = String(await redisCommand(redis.url, "CLIENT", "LIST"));
  const id = /^id=(\d+) .*name=sekali-producer/m.exec(clients)?.[1] ?? "";
  await redisCommand(redis.url, "CLIENT", "KILL", "ID", id);
  await stack.publisher.publishStored(makeEvents(30), { within: RECOVERY_MS_MAX });
  const { rows } = await stack.expectExact();
  expect(rows.lost).toBe(0);
});

test("sessions that found a standby are not kept when another one leads (P5)", async () => {
  own = await startServers();
  stack = await openStack({ servers: own, env: { LOG_LEVEL: "debug" } });
  const aggregator = await stack.start();
  await stack.publisher.publishStored(makeEvents(20));
  // Of new sessions only, as if the address meant a standby for a moment; these ones are not told when it ends.
  const [row] = await stack.sql`SELECT current_user::text AS role`;
  await stack.sql.unsafe(`ALTER ROLE "${row?.["role"]}" SET default_transaction_read_only = on`);
  stack.postgresLink.reset();
  stack.redisLink.reset();
  await aggregator.logged(/25006/);
  await stack.sql.unsafe(`ALTER ROLE "${row?.["role"]}" RESET default_transaction_read_only`);
  await stack.publisher.publishStored(makeEvents(30), { within: RECOVERY_MS_MAX });
  await stack.expectExact();
});

test("a worker takes nothing from another installation's Redis, and cuts nothing there (P4)", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  await stack.start({ ROLES: "api" });
  await stack.publisher.publish(makeEvents(40));
  const stranger = await openStack({ env: { SHARDS: "1" } });
  try {
    await stranger.start();
    await stranger.publisher.publishStored(makeEvents(10));
    await Promise.all(stranger.aggregators.map((each) => each.kill()));
    const misled = await stranger.spawn({ KEY_PREFIX: stack.name, ROLES: "worker" });
    await misled.logged(/installation/);
    // What waits there is not this installation's, so no count would be right (P6).
    expect((await request(`${misled.url}/stats`)).status).toBe(503);
    expect(await recount(stranger.sql)).toMatchObject({ identities: 10, lost: 0, faults: [] });
  } finally {
    await stranger[Symbol.asyncDispose]();
  }
  await stack.start({ ROLES: "worker" });
  const { rows } = await stack.expectExact();
  expect(rows).toMatchObject({ identities: 40, lost: 0 });
});

test("who still adds to a Redis that was cut off makes no gap in the one that leads, and its loss is counted (P4)", async () => {
  own = await startServers();
  other = await startRedis({});
  stack = await openStack({ servers: own, env: { SHARDS: "1" } });
  const behind = await stack.start();
  const [one, cutOff] = [makeEvents(20), makeEvents(10)];
  const publisher = new Publisher(() => behind.url, stack.ledger);
  await publisher.publishStored(one);
  // It takes over with nothing, which was all committed.
  otherLink = await TcpProxy.open({ protocol: "redis", targetPort: other.port });
  const leads = await stack.start({ ROLES: "api", BROKER_URL: otherLink.inFrontOf(other.url) });
  await publisher.publish(cutOff);
  await behind.logged(/Redis is in epoch 1 of the shard, Postgres has issued 2/);
  const after = makeEvents(30);
  await new Publisher(() => leads.url, stack.ledger).publish(after);
  stack.redisLink.targetPort = other.port;
  stack.redisLink.reset();
  // What it lost is told when it takes the shard up, which its workers need not wait for.
  await eventually(
    async () => {
      const stats = await drained(() => leads.url, RECOVERY_MS_MAX);
      expect(stats).toMatchObject({ unique_processed: 50, lost: 10, dead_lettered: 0 });
    },
    { within: RECOVERY_MS_MAX },
  );
  expect((await recount(stack.sql)).faults).toEqual([]);
});
