/** Working for a durable subscription of a real service. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import type { AggregatorProcess } from "@sekali/aggregator/harness/aggregator-process";
import { useBackingServers } from "@sekali/aggregator/harness/backing-servers";
import { Consumer } from "@sekali/aggregator/harness/consumer";
import { makeEvents } from "@sekali/aggregator/harness/event-factory";
import { eventually, within } from "@sekali/aggregator/harness/eventually";
import { openStack, type Stack } from "@sekali/aggregator/harness/stack";
import { TcpProxy } from "@sekali/aggregator/harness/tcp-proxy";
import { type ConsumeOptions, consume, runConsumer } from "../src/index.ts";

useBackingServers();

let stack: Stack;
let aggregator: AggregatorProcess;
let link: TcpProxy;
let asked: Consumer;
beforeEach(async () => {
  stack = await openStack();
  aggregator = await stack.start();
  link = await TcpProxy.open({ protocol: "http", targetPort: aggregator.port });
  asked = new Consumer(() => aggregator.url, "work");
  expect(await asked.make({ from: "beginning", ack_timeout_s: 60 })).toBe(201);
});
afterEach(async () => {
  link.close();
  await stack[Symbol.asyncDispose]();
});

const options = (over: Partial<ConsumeOptions> = {}): ConsumeOptions => ({
  url: link.inFrontOf(aggregator.url),
  subscription: "work",
  waitS: 1,
  ...over,
  retry: { delayMsInitial: 5, delayMsMax: 50, ...over.retry },
});

const isDone = async () => expect(await asked.state()).toMatchObject({ lag: 0, outstanding: 0, dead: 0 });

test("every event is handled and acknowledged, though replies are lost", async () => {
  const events = makeEvents(400);
  await stack.publisher.publishStored(events);
  const stop = new AbortController();
  const handled = new Set<string>();
  const running = runConsumer({ ...options({ max: 20, signal: stop.signal }), concurrency: 8 }, ({ event_id }) => {
    handled.add(event_id);
  });
  for (let lost = 0; lost < 5; lost += 1) {
    const hold = link.hold("reply", ({ text }) => text.includes('"acknowledged"'));
    await hold.reached("an answer to an acknowledgement");
    hold.cut();
  }
  await eventually(isDone);
  stop.abort();
  await within(running, 5000, "the end of the consumer");
  expect([...handled].sort()).toEqual(events.map(({ event_id }) => event_id).sort());
});

test("an event whose handler fails comes again, with the next attempt", async () => {
  await stack.publisher.publishStored(makeEvents(3));
  const stop = new AbortController();
  const attempts: number[] = [];
  const failures: unknown[] = [];
  const running = runConsumer(
    { ...options({ signal: stop.signal }), onFailure: (error) => failures.push(error) },
    (event, { attempt }) => {
      attempts.push(attempt);
      if (attempt < 3 && event.event_id) throw new Error("not yet");
    },
  );
  await eventually(isDone);
  stop.abort();
  await running;
  expect(attempts.sort()).toEqual([1, 1, 1, 2, 2, 2, 3, 3, 3]);
  expect(failures.length).toBe(6);
});

test("who leaves the loop gives back what was in hand, at once", async () => {
  await stack.publisher.publishStored(makeEvents(10));
  const seen: string[] = [];
  for await (const leased of consume(options())) {
    seen.push(leased.event.event_id);
    expect(await leased.ack()).toBe(true);
    if (seen.length === 4) break;
  }
  const rest = await asked.take(6);
  expect(new Set([...seen, ...rest.map(({ event }) => event.event_id)]).size).toBe(10);
});

test("an acknowledgement of what has gone to somebody else says so", async () => {
  await stack.publisher.publishStored(makeEvents(1));
  for await (const leased of consume(options())) {
    expect(await leased.nack()).toBe(true);
    await asked.take(1, { acknowledge: false });
    expect(await leased.ack()).toBe(false);
    break;
  }
});

test("a subscription that is not there is no reason to ask again", async () => {
  const asking = (async () => {
    for await (const _ of consume(options({ subscription: "none" }))) break;
  })();
  await expect(asking).rejects.toMatchObject({ name: "SubscriptionError", kind: "refused", status: 404 });
});
