/** Following a real service through everything that breaks a connection: each event once, none left out. */
import { afterEach, beforeEach, expect, test } from "bun:test";
import { AggregatorProcess } from "@sekali/aggregator/harness/aggregator-process";
import { useBackingServers } from "@sekali/aggregator/harness/backing-servers";
import { batchesOf, makeEvents } from "@sekali/aggregator/harness/event-factory";
import { eventually, within } from "@sekali/aggregator/harness/eventually";
import { Publisher } from "@sekali/aggregator/harness/http-client";
import { openStack, type Stack } from "@sekali/aggregator/harness/stack";
import { TcpProxy } from "@sekali/aggregator/harness/tcp-proxy";
import { type Followed, type SubscribeOptions, subscribe } from "../src/index.ts";

useBackingServers();

let stack: Stack;
let aggregator: AggregatorProcess;
let link: TcpProxy;
const followers: Follower[] = [];
beforeEach(async () => {
  stack = await openStack();
  aggregator = await stack.start();
  link = await TcpProxy.open({ protocol: "http", targetPort: aggregator.port });
});
afterEach(async () => {
  for (const follower of followers.splice(0)) await follower.stop();
  link.close();
  await stack[Symbol.asyncDispose]();
});

class Follower {
  readonly got: Followed[] = [];
  readonly disconnections: string[] = [];
  connections = 0;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;

  constructor(options: Partial<SubscribeOptions> = {}) {
    this.#running = this.#follow({
      url: link.inFrontOf(aggregator.url),
      signal: this.#stop.signal,
      retry: { delayMsInitial: 10, delayMsMax: 100 },
      onConnected: () => {
        this.connections += 1;
      },
      onDisconnected: ({ reason }) => this.disconnections.push(reason),
      ...options,
    });
    followers.push(this);
  }

  get ids(): string[] {
    return this.got.map(({ event }) => event.event_id);
  }

  async has(count: number): Promise<void> {
    await eventually(() => expect(this.got.length).toBeGreaterThanOrEqual(count), { within: 30_000 });
  }

  async connected(): Promise<this> {
    await eventually(() => expect(this.connections).toBeGreaterThan(0));
    return this;
  }

  /** Aborting is an end like any other: nothing is thrown. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await within(this.#running, 5000, "the end of the iteration");
  }

  async #follow(options: SubscribeOptions): Promise<void> {
    for await (const followed of subscribe(options)) this.got.push(followed);
  }
}

const idsOf = (events: readonly { readonly event_id: string }[]) => events.map(({ event_id }) => event_id).sort();

test("connections that are cut, wherever they are, leave nothing out and repeat nothing", async () => {
  const events = makeEvents(4000, { topic: "user.auth" });
  const follower = await new Follower({ topic: "user.>" }).connected();
  const publishing = (async () => {
    for (const batch of batchesOf(events, 100)) await stack.publisher.publish(batch);
  })();
  for (let cut = 0; cut < 15; cut += 1) {
    const hold = link.hold("reply", ({ text }) => text.includes("event: event"));
    await hold.reached("a chunk of events");
    hold.cut();
  }
  await publishing;
  await follower.has(4000);
  expect(follower.ids.sort()).toEqual(idsOf(events));
  expect(follower.disconnections.length).toBeGreaterThan(3);
});

test("a service that is killed is waited for, and its last chunk is not given twice", async () => {
  const early = makeEvents(300);
  const follower = await new Follower().connected();
  await stack.publisher.publishStored(early);
  await follower.has(300);
  await aggregator.kill();
  await eventually(() => expect(follower.disconnections.length).toBeGreaterThan(0));
  const second = await AggregatorProcess.spawn(stack.environment(), { port: aggregator.port });
  stack.aggregators.push(second);
  await second.ready();
  const late = makeEvents(300);
  await new Publisher(() => second.url, stack.ledger).publishStored(late);
  await follower.has(600);
  expect(follower.ids.sort()).toEqual(idsOf([...early, ...late]));
});

test("a link that has fallen silent is taken for dead", async () => {
  const follower = await new Follower({ silenceMsMax: 400 }).connected();
  await stack.publisher.publishStored(makeEvents(10));
  await follower.has(10);
  link.stall("reply");
  await eventually(() => expect(follower.disconnections).toContain("nothing was heard for too long"));
  link.reset();
  link.heal();
  await stack.publisher.publishStored(makeEvents(10));
  await follower.has(20);
  expect(new Set(follower.ids).size).toBe(20);
});

test("another subscription goes on where one has stopped, at whichever event", async () => {
  const events = makeEvents(500);
  const first = await new Follower().connected();
  for (const batch of batchesOf(events, 50)) await stack.publisher.publishStored(batch);
  await first.has(500);
  const dealtWith = first.got.slice(0, 237);
  const second = new Follower({ lastEventId: dealtWith.at(-1)?.lastEventId ?? "" });
  await eventually(() => {
    const seen = new Set([...dealtWith.map(({ event }) => event.event_id), ...second.ids]);
    expect(seen.size).toBe(500);
  });
  expect(new Set(second.ids).size).toBe(second.ids.length);
  expect(second.got.length).toBeLessThan(500);
});

test("the text has the digits that a number in JavaScript has not", async () => {
  const follower = await new Follower().connected();
  await fetch(`${aggregator.url}/publish`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(makeEvents(1)[0]).replace(/"payload":\{[^}]*\}/, '"payload":{"id":9007199254740993}'),
  });
  await follower.has(1);
  expect(follower.got[0]?.text).toContain("9007199254740993");
  expect(follower.got[0]?.event.topic).toBe("test.default");
});

test("what the service refuses for good is thrown", async () => {
  const { url } = aggregator;
  const follow = async (options: Partial<SubscribeOptions>) => {
    for await (const { event } of subscribe({ url, ...options })) return event;
    return undefined;
  };
  for (const [options, words] of [
    [{ topic: "a.>.b" }, "topic"],
    [{ from: "yesterday" }, "from"],
    [{ lastEventId: "00000000~0:1" }, "422"],
  ] as const) {
    await expect(follow(options)).rejects.toMatchObject({
      name: "SubscriptionError",
      kind: "refused",
      status: 422,
      message: expect.stringContaining(words),
    });
  }
});
