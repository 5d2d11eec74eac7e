/**
 * P1, P3 and P5 on the stack as it is shipped: each service is killed in turn while publishers are at work, the whole
 * stack goes down and comes up again, and in the end every acknowledged delivery is there, once.
 */
import { beforeAll, describe, expect, test } from "bun:test";
import { freshTopic, makeEvents, type TestEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { Publisher, request } from "../harness/http-client.ts";
import { Load } from "../harness/load.ts";
import { disagreement, type Stats, StatsWatch, statsOf } from "../harness/stats-watch.ts";
import { compose, composeUp, composeUrl, inspect } from "./compose.ts";

const RECOVERY_MS_MAX = 15_000;
const STORED_MS_MAX = 30_000;

let url = "";
beforeAll(() => {
  url = composeUrl();
});

describe("nothing acknowledged is lost or doubled", () => {
  test.each(["aggregator", "broker", "storage"] as const)("when the %s is killed under load", async (service) => {
    const publisher = new Publisher(() => url);
    const topic = freshTopic();
    const watch = new StatsWatch(() => url, publisher.ledger);
    const load = new Load(publisher, [topic]);
    await load.acknowledges(200);
    await compose("kill", "--signal", "KILL", service);
    await composeUp();
    // Its dependency is back: from here on it has 15 s, with nobody's help.
    await load.acknowledges(200, RECOVERY_MS_MAX);
    await load.stop();
    await showsExactly(topic, publisher);
    await watch.stop();
    await verify();
  });

  test("when everything goes down and comes up again", async () => {
    const publisher = new Publisher(() => url);
    const topic = freshTopic();
    const events = makeEvents(300, { topic });
    await publisher.publish(events);
    const before = await stats();
    await compose("down");
    await composeUp();
    await showsExactly(topic, publisher);
    const after = await stats();
    expect(after.received).toBeGreaterThanOrEqual(before.received);
    expect(after.lost).toBe(0);
    const again = await publisher.publishStored(events);
    expect(again).toMatchObject({ count: 300, unique: 0, duplicates: 300, dead_lettered: 0 });
    await verify();
  });
});

test("the aggregator drains and ends with 0 when it is told to stop", async () => {
  const publisher = new Publisher(() => url);
  const topic = freshTopic();
  await publisher.publish(makeEvents(500, { topic }));
  const began = performance.now();
  await compose("stop", "aggregator");
  expect(performance.now() - began).toBeLessThan(RECOVERY_MS_MAX);
  expect((await inspect("aggregator")).State).toMatchObject({ Status: "exited", ExitCode: 0 });
  await composeUp();
  await showsExactly(topic, publisher);
});

async function stats(): Promise<Stats> {
  const reply = await statsOf(url);
  if (reply === undefined) throw new Error("/stats does not answer");
  expect(disagreement(reply)).toBeUndefined();
  return reply;
}

/** Waits until the topic holds what was acknowledged, and what was in doubt at most, each once. */
async function showsExactly(topic: string, publisher: Publisher): Promise<void> {
  const { identities, doubtful } = publisher.ledger;
  const certain = [...identities.values()].map((event) => event.event_id);
  const shown = await eventually(
    async () => {
      const ids = (await eventsOf(topic)).map((event) => event.event_id);
      const missing = new Set(certain).difference(new Set(ids));
      if (missing.size > 0) throw new Error(`${missing.size} of ${certain.length} are missing`);
      return ids;
    },
    { within: STORED_MS_MAX, what: "every acknowledged event in /events" },
  );
  expect(shown.length).toBe(new Set(shown).size);
  expect(shown.length).toBeLessThanOrEqual(certain.length + doubtful.size);
}

async function eventsOf(topic: string): Promise<TestEvent[]> {
  const found: TestEvent[] = [];
  let next: string | undefined = `/events?topic=${topic}&limit=1000`;
  while (next !== undefined) {
    const response: Response = await request(new URL(next, url).href);
    expect(response.status).toBe(200);
    found.push(...((await response.json()) as TestEvent[]));
    next = /<([^>]*)>;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1];
  }
  return found;
}

/** The service's own recount, in the service's own container. */
async function verify(): Promise<void> {
  await compose("exec", "-T", "aggregator", "aggregator", "verify");
}
