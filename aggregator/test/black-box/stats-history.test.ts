/** `GET /stats/history`. */
import { expect, test } from "bun:test";
import { type StatsHistoryReply, StatsHistoryReplySchema } from "@sekali/contract";
import { Value } from "@sinclair/typebox/value";
import { freshTopic, makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { expectProblem, useTarget } from "./target.ts";

const target = useTarget();

async function history(): Promise<StatsHistoryReply> {
  const response = await request(`${target.url}/stats/history`);
  expect(response.status).toBe(200);
  const reply = (await response.json()) as StatsHistoryReply;
  expect(Value.Errors(StatsHistoryReplySchema, reply).First()).toBeUndefined();
  return reply;
}

test("shows what the counts were, in order, each sum exact (P3), without having been asked before", async () => {
  const before = await target.stats();
  await target.publisher.publishStored(makeEvents(20, { topic: freshTopic() }));
  const reply = await eventually(
    async () => {
      const found = await history();
      const known = found.samples.filter(({ counts }) => (counts?.received ?? 0) >= before.received + 20);
      expect(known.length).toBeGreaterThan(1);
      return found;
    },
    { what: "two samples since the events", within: 30_000 },
  );
  const times = reply.samples.map(({ at }) => Date.parse(at));
  expect(times).toEqual(times.toSorted((a, b) => a - b));
  expect(Date.parse(reply.since)).toBeLessThanOrEqual(times[0] ?? 0);
  expect(Date.parse(reply.now)).toBeGreaterThanOrEqual(times.at(-1) ?? Number.POSITIVE_INFINITY);
  const quarterMs = 15 * 60_000;
  expect(reply.samples.length).toBeLessThanOrEqual(quarterMs / (reply.interval_s * 1000) + 1);
  let received = 0;
  for (const { counts } of reply.samples) {
    if (counts === null) continue;
    expect(counts.received).toBe(
      counts.unique_processed + counts.duplicate_dropped + counts.dead_lettered + counts.queued,
    );
    expect(counts.received).toBeGreaterThanOrEqual(received);
    received = counts.received;
  }
});

test("takes no parameters", async () => {
  await expectProblem(await request(`${target.url}/stats/history?since=now`), 422);
});
