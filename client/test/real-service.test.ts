/**
 * The publisher against a real service, with faults on the way: replies that are lost, a link that swallows all, a
 * queue that is away, a service that is killed. What is stored afterwards is exactly what was published.
 */
import { afterEach, expect, test } from "bun:test";
import { AggregatorProcess } from "@sekali/aggregator/harness/aggregator-process";
import { useBackingServers } from "@sekali/aggregator/harness/backing-servers";
import { eventually } from "@sekali/aggregator/harness/eventually";
import { openStack, type Stack } from "@sekali/aggregator/harness/stack";
import { drained } from "@sekali/aggregator/harness/stats-watch";
import { TcpProxy } from "@sekali/aggregator/harness/tcp-proxy";
import { createPublisher, type PublisherOptions } from "../src/index.ts";

useBackingServers();

let stack: Stack;
const proxies: TcpProxy[] = [];
afterEach(async () => {
  for (const proxy of proxies.splice(0)) proxy.close();
  await stack[Symbol.asyncDispose]();
});

const TOPIC = "client.test";

async function start(over: Partial<PublisherOptions> = {}) {
  stack = await openStack();
  const aggregator = await stack.start();
  const link = await TcpProxy.open({ protocol: "http", targetPort: aggregator.port });
  proxies.push(link);
  const publisher = createPublisher({
    url: link.inFrontOf(aggregator.url),
    source: "test",
    batch: { eventsMax: 50, lingerMs: 2, inFlightMax: 4 },
    buffer: { eventsMax: 500 },
    ...over,
    retry: { delayMsInitial: 5, delayMsMax: 100, ...over.retry },
  });
  return { aggregator, link, publisher };
}

/**
 * Enqueues events as fast as there is room for them: at least `least`, and on until the fault that it is to meet is
 * over, however late that comes on a busy machine.
 */
function keepPublishing(publisher: ReturnType<typeof createPublisher>, least: number) {
  let isLast = false;
  const running = (async () => {
    for (let n = 0; ; n += 1) {
      if (isLast && n >= least) return n;
      await publisher.ready();
      expect(publisher.enqueue({ topic: TOPIC, payload: { n } })).toBe(true);
    }
  })();
  return {
    /** @returns how many there are. */
    async finish(): Promise<number> {
      isLast = true;
      return await running;
    },
  };
}

/** Each number is stored once, every delivery is counted, and there were at least so many duplicates. */
async function expectStored(count: number, duplicatesMin: number): Promise<void> {
  const stats = await drained(() => stack.url, 30_000);
  expect(stats.unique_processed).toBe(count);
  expect(stats.duplicate_dropped).toBeGreaterThanOrEqual(duplicatesMin);
  expect(stats).toMatchObject({ conflicts: 0, dead_lettered: 0, lost: 0 });
  const rows = await stack.sql<{ stored: number; numbers: number }[]>`
    SELECT count(*)::int AS stored, count(DISTINCT payload->'n')::int AS numbers FROM events WHERE topic = ${TOPIC}`;
  expect(rows[0]).toEqual({ stored: count, numbers: count });
}

test("replies that are lost make duplicates, which are counted, and no event is stored twice or lost", async () => {
  const { link, publisher } = await start();
  const publishing = keepPublishing(publisher, 3000);
  for (let lost = 0; lost < 12; lost += 1) {
    const hold = link.hold("reply", ({ text }) => text.startsWith("HTTP/1.1 200"));
    await hold.reached("a reply");
    hold.cut();
  }
  const count = await publishing.finish();
  expect(await publisher.close()).toEqual({ undelivered: [] });
  expect(publisher.counts).toMatchObject({ accepted: count, acknowledged: count, undelivered: 0 });
  // Some runtimes send a request again by themselves where a connection they had kept turns out to be closed.
  expect(publisher.counts.retries).toBeGreaterThan(0);
  await expectStored(count, 12);
});

test("a link that swallows replies without closing is given up after the time-out of a try", async () => {
  const { link, publisher } = await start({ requestTimeoutMs: 300 });
  const publishing = keepPublishing(publisher, 2000);
  await eventually(() => expect(publisher.counts.acknowledged).toBeGreaterThan(100));
  link.stall("reply");
  await eventually(() => expect(publisher.counts.retries).toBeGreaterThan(4));
  link.heal();
  const count = await publishing.finish();
  expect(await publisher.close()).toEqual({ undelivered: [] });
  await expectStored(count, 1);
});

test("while the queue is away there is 503, and afterwards everything is stored", async () => {
  const said = new Set<number | undefined>();
  const { publisher } = await start({ onRetry: ({ status }) => said.add(status) });
  const publishing = keepPublishing(publisher, 2000);
  await eventually(() => expect(publisher.counts.acknowledged).toBeGreaterThan(100));
  stack.redisLink.refuse();
  await eventually(() => expect(said.has(503)).toBe(true));
  stack.redisLink.heal();
  const count = await publishing.finish();
  expect(await publisher.close({ timeoutMs: 30_000 })).toEqual({ undelivered: [] });
  await expectStored(count, 0);
});

test("a service that is killed, and comes back where it was, has every event once", async () => {
  const { aggregator, publisher } = await start({ ack: "stored" });
  const publishing = keepPublishing(publisher, 2000);
  await eventually(() => expect(publisher.counts.acknowledged).toBeGreaterThan(100));
  await aggregator.kill();
  await eventually(() => expect(publisher.counts.retries).toBeGreaterThan(0));
  const second = await AggregatorProcess.spawn(stack.environment(), { port: aggregator.port });
  stack.aggregators.push(second);
  await second.ready();
  const count = await publishing.finish();
  expect(await publisher.close({ timeoutMs: 30_000 })).toEqual({ undelivered: [] });
  await drained(() => second.url, 30_000);
  const rows = await stack.sql<{ stored: number }[]>`SELECT count(*)::int AS stored FROM events`;
  expect(rows[0]?.stored).toBe(count);
});

test("a bad event among good ones is refused by the service's own words, and the others are stored", async () => {
  const { publisher } = await start();
  const topics = Array.from({ length: 40 }, (_, n) => (n % 10 === 4 ? "not a topic" : TOPIC));
  const settled = await Promise.allSettled(topics.map((topic, n) => publisher.publish({ topic, payload: { n } })));
  const refused = settled.filter((each) => each.status === "rejected").map(({ reason }) => String(reason));
  expect(refused).toEqual([4, 14, 24, 34].map((n) => `PublishError: /${n}/topic: must not contain white space`));
  await publisher.close();
  await expectStored(36, 0);
});
