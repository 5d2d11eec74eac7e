/**
 * Subscribers through crashes: aggregators are killed under them, connections are cut, Postgres goes away, a reader
 * stands still. What they were sent is held to the rows.
 */
import { afterEach, expect, test } from "bun:test";
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { useBackingServers } from "../harness/backing-servers.ts";
import { batchesOf, integer, makeEvents, pick, random } from "../harness/event-factory.ts";
import { eventually, within } from "../harness/eventually.ts";
import { expectFollowed } from "../harness/expect-followed.ts";
import { Follower, type FollowerOptions } from "../harness/follower.ts";
import { Load } from "../harness/load.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
const followers: Follower[] = [];
afterEach(async () => {
  await Promise.all(followers.splice(0).map((follower) => follower.stop()));
  await stack[Symbol.asyncDispose]();
});

function follow(options: FollowerOptions, target: () => string): Follower {
  const follower = new Follower(target, options);
  followers.push(follower);
  return follower;
}

/** `SUBSCRIBER_KILLS=50` is the long form. */
const KILLS = Number(process.env["SUBSCRIBER_KILLS"] ?? 8);

test(
  `subscribers that come back at random through ${KILLS} kills see every event, in order, none passed over`,
  async () => {
    stack = await openStack({ env: { SHARDS: "4" } });
    await Promise.all([stack.start(), stack.start()]);
    const anyUrl = () => pick(stack.aggregators.filter(({ isRunning }) => isRunning)).url;
    const patient = follow({ from: "beginning", returns: true }, anyUrl);
    const restless = follow({ from: "beginning", returns: true }, anyUrl);
    const choosy = follow({ topic: "*.b", from: "beginning", returns: true }, anyUrl);
    const load = new Load(stack.publisher);
    for (let kill = 0; kill < KILLS; kill += 1) {
      await load.acknowledges(integer(20, 150));
      if (random() < 0.7) restless.cut();
      const running = stack.aggregators.filter(({ isRunning }) => isRunning);
      await pick(running).kill();
      await stack.start();
    }
    await load.stop();
    const { rows } = await stack.expectExact();
    await Promise.all([patient.has(rows.events), restless.has(rows.events)]);
    const [{ n } = {}] = await stack.sql`SELECT count(*)::int AS n FROM events WHERE topic LIKE '%.b'`;
    await choosy.has(Number(n));
    expect(restless.connections.length).toBeGreaterThan(KILLS / 4);
    for (const follower of [patient, restless]) await expectFollowed(stack.sql, follower);
    await expectFollowed(stack.sql, choosy, (topic) => topic.endsWith(".b"));
  },
  KILLS * 15_000 + 60_000,
);

test("a stream stays open while Postgres is away, and goes on after it", async () => {
  stack = await openStack();
  await stack.start();
  const follower = await follow({ from: "beginning" }, () => stack.url).opened();
  const behind = follow({ from: "beginning", topic: "load.a" }, () => stack.url);
  const load = new Load(stack.publisher);
  await load.acknowledges(100);
  stack.postgresLink.refuse();
  await load.acknowledges(100);
  stack.postgresLink.heal();
  await load.acknowledges(50);
  await load.stop();
  const { rows } = await stack.expectExact();
  await follower.has(rows.events);
  expect(follower.connections).toHaveLength(1);
  await expectFollowed(stack.sql, follower);
  await eventually(() => expectFollowed(stack.sql, behind, (topic) => topic === "load.a"));
});

/** Follows with a socket that reads nothing more after the first bytes, until it is let go. */
async function standStill(url: string): Promise<{ socket: Socket; text: () => string }> {
  const { hostname, port } = new URL(url);
  const socket = connect({ host: hostname, port: Number(port) });
  const received: Buffer[] = [];
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.on("data", (bytes: Buffer) => {
    received.push(bytes);
    if (received.length > 1) return;
    // The head and the first comment come together, or the head first: both say that the stream is open.
    socket.pause();
    resolve();
  });
  socket.on("error", () => undefined);
  socket.write(`GET /subscribe?from=now HTTP/1.1\r\nhost: ${hostname}\r\nconnection: close\r\n\r\n`);
  await within(promise, 10_000, "the first bytes of a stream");
  return { socket, text: () => Buffer.concat(received).toString("utf8") };
}

test("a reader that stands still is cut off with a cursor, others are not held up, and it resumes without a gap", async () => {
  stack = await openStack();
  const aggregator = await stack.start();
  const quick = await follow({ from: "now" }, () => stack.url).opened();
  const { socket, text } = await standStill(aggregator.url);
  // More than both kernels' buffers and the bound on what waits for one subscriber.
  const payload = { text: "x".repeat(20_000) };
  const events = makeEvents(1_500, { payload });
  await stack.publisher.publishAll(batchesOf(events, 50));
  await stack.expectExact();
  await quick.has(events.length);
  socket.resume();
  await within(once(socket, "end"), 60_000, "the end of the stream");
  const end = /event: end\nid: (\S+)\ndata: (\{.*\})\n/.exec(text());
  expect(JSON.parse(end?.[2] ?? "")).toEqual({ reason: "slow", cursor: end?.[1] });
  const got = new Set([...text().matchAll(/"event_id":"([^"]+)"/g)].map(([, id]) => id));
  expect(got.size).toBeLessThan(events.length);
  const back = follow({ lastId: end?.[1] ?? "" }, () => stack.url);
  await back.has(events.length - got.size);
  expect(back.events.filter(({ event_id }) => got.has(event_id))).toEqual([]);
  expect(back.identities.size).toBe(events.length - got.size);
});
