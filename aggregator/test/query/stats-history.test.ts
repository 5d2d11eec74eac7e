/** What `GET /stats/history` remembers of times at which Redis or Postgres was away, on a real stack. */
import { expect, test } from "bun:test";
import type { StatsHistoryReply } from "@sekali/contract";
import { AggregatorProcess } from "../harness/aggregator-process.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();

async function historyOf(url: string): Promise<StatsHistoryReply> {
  return (await (await request(`${url}/stats/history`)).json()) as StatsHistoryReply;
}

/** What was received at each sample; null where nobody knew. */
async function receivedOf(url: string): Promise<(number | null)[]> {
  return (await historyOf(url)).samples.map(({ counts }) => counts?.received ?? null);
}

const WAIT = { within: 40_000 };

test("while either is away there is a gap, also where nobody sends or looks; a restart begins anew", async () => {
  await using stack = await openStack();
  const first = await stack.start();
  await stack.publisher.publishStored(makeEvents(7));
  await eventually(async () => expect((await receivedOf(first.url)).at(-1)).toBe(7), WAIT);
  for (const link of [stack.redisLink, stack.postgresLink]) {
    link.refuse();
    link.reset();
    await eventually(async () => expect((await receivedOf(first.url)).at(-1)).toBeNull(), WAIT);
    link.heal();
    await eventually(async () => expect((await receivedOf(first.url)).at(-1)).toBe(7), WAIT);
  }
  const { since } = await historyOf(first.url);
  await first.kill();
  const again = await AggregatorProcess.spawn(stack.environment(), { port: first.port });
  stack.aggregators.push(again);
  await again.ready();
  const begun = await historyOf(again.url);
  expect(Date.parse(begun.since)).toBeGreaterThan(Date.parse(since));
  expect(begun.samples.every(({ at }) => at >= begun.since)).toBe(true);
});

test("several processes remember the same counts, those of all of them", async () => {
  await using stack = await openStack();
  const urls = [(await stack.start()).url, (await stack.start()).url];
  await stack.publisher.publishStored(makeEvents(9));
  for (const url of urls) await eventually(async () => expect((await receivedOf(url)).at(-1)).toBe(9), WAIT);
});
