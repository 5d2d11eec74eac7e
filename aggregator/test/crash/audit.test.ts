/** The audit through crashes and races: every dropped delivery is in it, and every conflict is told apart (P3). */
import { afterEach, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { count } from "../harness/database.ts";
import { makeEvent, makeEvents, shuffled } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { post } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;
afterEach(async () => await stack[Symbol.asyncDispose]());

/** Waits until everything is judged; gives the rows of the audit and the conflicts, as rows and as counted. */
async function judged(): Promise<{ rows: number; conflicts: number; counted: number }> {
  return await eventually(async () => {
    const [row] = await stack.sql`
      SELECT count(*) AS rows, count(*) FILTER (WHERE conflict) AS conflicts,
        count(*) FILTER (WHERE conflict IS NULL) AS unjudged, (SELECT sum(conflicts) FROM counters) AS counted
      FROM duplicates`;
    expect(count(row?.["unjudged"])).toBe(0);
    return {
      rows: count(row?.["rows"]),
      conflicts: count(row?.["conflicts"]),
      counted: count(row?.["counted"]),
    };
  });
}

test("two aggregators that get the same identities with different contents at once count every conflict", async () => {
  stack = await openStack({ env: { SHARDS: "4", WORKERS: "4" } });
  const targets = [await stack.start(), await stack.start()];
  let sent = 0;
  for (let round = 0; round < 5; round += 1) {
    const events = makeEvents(200);
    await Promise.all(
      [0, 1, 2, 3].map(async (version) => {
        const versions = shuffled(events).map((event) => ({ ...event, payload: { version } }));
        const response = await post(`${targets[version % 2]?.url}/publish?ack=stored`, versions);
        expect(response.status).toBe(200);
        stack.ledger.acknowledge(versions);
        sent += 200;
      }),
    );
  }
  // Four versions of each identity differ from each other, so all but the one that is stored are conflicts.
  const duplicates = (sent * 3) / 4;
  expect(await judged()).toEqual({ rows: duplicates, conflicts: duplicates, counted: duplicates });
  await stack.expectExact();
});

test("killed at random while conflicts come in: rows, counters and judgements agree", async () => {
  stack = await openStack({ env: { SHARDS: "2" } });
  await stack.start();
  const events = makeEvents(60);
  await stack.publisher.publishStored(events);
  for (let kill = 0; kill < 4; kill += 1) {
    const versions = shuffled(events).map((event) => ({ ...event, payload: { kill } }));
    const attempts = [versions.slice(0, 30), versions.slice(30), versions].map((batch) =>
      stack.publisher.attempt(batch),
    );
    await attempts[0];
    await stack.aggregators.at(-1)?.kill();
    await Promise.all(attempts);
    await stack.start();
  }
  await stack.expectExact();
  const { rows, conflicts, counted } = await judged();
  expect([conflicts, counted]).toEqual([rows, rows]);
  expect(rows).toBeGreaterThan(0);
  await stack.expectExact();
});

test("what a process left unjudged that died, another one judges", async () => {
  stack = await openStack({ env: { SHARDS: "2" } });
  const first = await stack.start();
  const event = makeEvent({ payload: { n: 1 } });
  await stack.publisher.publishStored([event]);
  await stack.publisher.publishStored([{ ...event, payload: { n: 2 } }]);
  await first.kill();
  // As a batch leaves it whose winner was committed in the same moment, and whose process then died.
  await stack.sql`UPDATE duplicates SET conflict = NULL`;
  await stack.sql`UPDATE counters SET conflicts = 0`;
  await stack.start();
  expect(await judged()).toEqual({ rows: 1, conflicts: 1, counted: 1 });
  await stack.expectExact();
});

test("a conflict is logged with what differs, and other duplicates are not", async () => {
  stack = await openStack({ env: { SHARDS: "1" } });
  const aggregator = await stack.start();
  const event = makeEvent({ payload: { n: 1, secret: "\u001b[31m" } });
  await stack.publisher.publishStored([event, event]);
  await stack.publisher.publishStored([{ ...event, payload: { n: 2, secret: "\u001b[31m" } }]);
  const line = await aggregator.logged(/Conflict dropped/);
  expect(aggregator.log.filter((each) => each.includes("Conflict dropped"))).toHaveLength(1);
  expect(JSON.parse(line)).toMatchObject({
    level: "warn",
    topic: event.topic,
    event_id: event.event_id,
    differences: [{ path: "/payload/n", stored: "1", dropped: "2" }],
  });
});
