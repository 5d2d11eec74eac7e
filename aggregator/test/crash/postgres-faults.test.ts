/** Postgres is killed, stopped, cut off, silent, or loses a backend in mid-statement. */
import { afterEach, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { blockIdentity } from "../harness/blockade.ts";
import { makeEvent, makeEvents, withDuplicates } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { Load } from "../harness/load.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { drained } from "../harness/stats-watch.ts";

useBackingServers();
let stack: Stack;
afterEach(async () => await stack[Symbol.asyncDispose]());

/** P5: after a dependency's return work goes on within this time. */
const RECOVERY_MS_MAX = 15_000;

/** Waits until a delivery of now is committed: nothing before it can be stuck in its shard. */
async function expectRecovery(): Promise<void> {
  await stack.publisher.publishStored(makeEvents(4), { within: RECOVERY_MS_MAX });
}

const faults = {
  "killed (-9)": async () => await stack.postgres.kill(),
  "stopped at once": async () => await stack.postgres.immediateStop(),
  "stopped in order": async () => await stack.postgres.stop(),
} as const;

test.each(Object.keys(faults) as (keyof typeof faults)[])(
  "Postgres %s and started again under load: exact, without help (P3, P5)",
  async (fault) => {
    stack = await openStack();
    const aggregator = await stack.start();
    stack.watchStats();
    const load = new Load(stack.publisher);
    for (let round = 0; round < 2; round += 1) {
      await load.acknowledges(100);
      await faults[fault]();
      // Publishing needs Redis alone.
      await load.acknowledges(60, 5_000);
      await stack.postgres.start();
      await expectRecovery();
    }
    await load.stop();
    const { rows } = await stack.expectExact();
    expect(rows.unique_processed).toBe(stack.ledger.identities.size);
    expect(aggregator.isRunning).toBe(true);
  },
);

test("every backend terminated in mid-statement, again and again: exact, and the process lives (P3, P5)", async () => {
  stack = await openStack();
  const aggregator = await stack.start();
  stack.watchStats();
  const load = new Load(stack.publisher);
  for (let round = 0; round < 6; round += 1) {
    const event = makeEvent();
    const blockade = await blockIdentity(stack.sql, event);
    await stack.publisher.publish([event, ...withDuplicates(10, 5)]);
    await blockade.waiting();
    await stack.sql`
      SELECT pg_terminate_backend(pid) FROM pg_stat_activity
      WHERE datname = current_database() AND application_name <> 'sekali-test' AND pid <> pg_backend_pid()`;
    await blockade.lift();
    await load.acknowledges(30);
  }
  await load.stop();
  await expectRecovery();
  const { rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(stack.ledger.identities.size);
  expect(aggregator.isRunning).toBe(true);
});

test("a commit whose reply is lost is not counted again (P3)", async () => {
  stack = await openStack();
  await stack.start();
  stack.watchStats();
  for (let round = 0; round < 4; round += 1) {
    const event = makeEvent();
    const hold = stack.postgresLink.hold("request", ({ text }) => text.includes(event.event_id));
    await stack.publisher.publish([event, event, ...makeEvents(5)]);
    const statement = await hold.reached("the statement");
    const replies = stack.postgresLink.hold("reply", ({ link }) => link === statement.link);
    hold.release();
    await replies.reached("the reply of the statement");
    await eventually(async () => {
      const rows = await stack.sql`SELECT FROM identities WHERE event_id = ${event.event_id}`;
      expect(rows.length).toBe(1);
    });
    replies.cut();
  }
  await expectRecovery();
  const { stats } = await stack.expectExact();
  expect(stats.received).toBe(stack.ledger.acknowledged);
});

test("while Postgres is cut off, publishing goes on, /stats is 503 and nothing is guessed (P6)", async () => {
  stack = await openStack();
  await stack.start();
  await stack.publisher.publishStored(makeEvents(5));
  stack.postgresLink.refuse();
  await stack.publisher.publish(withDuplicates(50, 20));
  await eventually(async () => expect((await request(`${stack.url}/stats`)).status).toBe(503));
  // Taking publishes needs Redis alone, so the process stays ready, and says what it can't do.
  await eventually(async () => {
    const readiness = await request(`${stack.url}/readyz`);
    const { status, dependencies } = (await readiness.json()) as Record<string, unknown>;
    expect({ code: readiness.status, status }).toEqual({ code: 200, status: "degraded" });
    expect(dependencies).toMatchObject({ postgres: { status: "away" }, redis: { status: "up" } });
  });
  const events = await request(`${stack.url}/events?topic=test.default`);
  expect(events.status).toBe(503);
  await events.text();
  stack.postgresLink.heal();
  await expectRecovery();
  await stack.expectExact();
});

test("a link to Postgres that falls silent in mid-statement is given up, and work goes on when it heals (P5)", async () => {
  stack = await openStack();
  await stack.start();
  stack.watchStats();
  const load = new Load(stack.publisher);
  await load.acknowledges(60);
  stack.postgresLink.stall("reply");
  await load.acknowledges(60);
  await eventually(async () => expect((await request(`${stack.url}/stats`)).status).toBe(503), { within: 15_000 });
  stack.postgresLink.heal();
  await expectRecovery();
  await load.stop();
  const { rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(stack.ledger.identities.size);
});

test("a lock that stands in the way for long is waited for in bounded steps, and nothing is lost (P4)", async () => {
  stack = await openStack();
  await stack.start();
  stack.watchStats();
  const event = makeEvent();
  const blockade = await blockIdentity(stack.sql, event);
  await stack.publisher.publish([event, ...makeEvents(5)]);
  const first = await blockade.waiting();
  // The statement that waited first gives up, and another try waits in its place.
  await eventually(async () => expect((await blockade.waiting()).since).not.toBe(first.since), { within: 15_000 });
  await blockade.lift();
  await drained(() => stack.url);
  const { stats } = await stack.expectExact();
  expect(stats.received).toBe(6);
});
