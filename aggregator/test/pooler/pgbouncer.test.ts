/**
 * PgBouncer between the service and Postgres: what drops a session's settings or shares its connection is refused with
 * a reason, at start; what keeps both is accepted.
 */
import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type PgBouncer, type PostgresServer, startPgBouncer, startPostgres } from "@sekali/native";
import { requireOwnSession } from "../../src/store/session.ts";
import { AggregatorProcess } from "../harness/aggregator-process.ts";
import { backingServers, useBackingServers } from "../harness/backing-servers.ts";
import { openDatabase } from "../harness/database.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { openStack } from "../harness/stack.ts";

useBackingServers();
setDefaultTimeout(120_000);

/** What PgBouncer must be told to let through, and then drops. */
const DROPPED =
  "search_path, client_min_messages, synchronous_commit, statement_timeout, lock_timeout, " +
  "idle_in_transaction_session_timeout, enable_seqscan, enable_bitmapscan";
/** The same, from Postgres's side: what is dropped on the way is the role's own habit. */
const HABITS = [
  "search_path = public, pg_temp",
  "synchronous_commit = on",
  "statement_timeout = 8000",
  "lock_timeout = 5000",
  "idle_in_transaction_session_timeout = 5000",
];

let postgres: PostgresServer;
let pooler: PgBouncer | undefined;
beforeAll(async () => {
  // By itself it would lose what was committed last: the service's sessions ask for more.
  postgres = await startPostgres({ settings: { synchronous_commit: "off" } });
});
afterEach(async () => {
  await pooler?.stop();
  pooler = undefined;
});
afterAll(async () => await postgres.stop());

async function start(poolMode: "session" | "transaction" | "statement", settings: Record<string, string> = {}) {
  pooler = await startPgBouncer({ postgres: postgres.url, poolMode, settings });
  return pooler.url;
}

async function judgement(url: string): Promise<string> {
  return await requireOwnSession({ url, schema: "public" }).then(
    (warnings) => warnings.join() || "fine",
    (error: unknown) => String(error),
  );
}

async function setHabits(verb: "SET" | "RESET"): Promise<void> {
  const sql = openDatabase({ url: postgres.url, schema: "public", connections: 1 });
  for (const habit of HABITS) {
    await sql.unsafe(`ALTER ROLE admin ${verb} ${verb === "SET" ? habit : habit.split(" ")[0]}`);
  }
  await sql.end({ timeout: 1 });
}

test("Postgres itself is fine, whatever its own settings: sessions say what they need", async () => {
  expect(await judgement(postgres.url)).toBe("fine");
});

test.each(["session", "transaction", "statement"] as const)(
  "as it comes, in %s mode: refused by name",
  async (mode) => {
    const refusal = await judgement(await start(mode));
    expect(refusal).toStartWith("StoreForbidden: a pooler refuses what a session needs (");
    expect(refusal).toContain("docs/operations.md");
  },
);

test("told to drop settings, in session mode: each one that a promise rests on is named (P1, P5)", async () => {
  const refusal = await judgement(await start("session", { ignore_startup_parameters: DROPPED }));
  expect(refusal).toStartWith("StoreForbidden: settings of a session are not what it asked for (");
  expect(refusal).toContain("synchronous_commit is off, not on");
  for (const name of ["search_path", "statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"]) {
    expect(refusal).toContain(`${name} is `);
  }
  expect(refusal).toContain("a pooler has dropped what was asked for");
});

test("in transaction and statement mode it is refused although the settings are right, in either order of serving", async () => {
  await setHabits("SET");
  try {
    for (const roundRobin of ["0", "1"]) {
      for (const mode of ["transaction", "statement"] as const) {
        const settings = { ignore_startup_parameters: DROPPED, server_round_robin: roundRobin };
        expect(await judgement(await start(mode, settings))).toContain("shares Postgres's connections");
        await pooler?.stop();
      }
    }
  } finally {
    await setHabits("RESET");
  }
});

test("in session mode, with the role's own settings, the service works and says what is between", async () => {
  await setHabits("SET");
  try {
    const url = await start("session", { ignore_startup_parameters: DROPPED, default_pool_size: "60" });
    expect(await judgement(url)).toBe(
      "a pooler stands before Postgres, which seems to keep sessions; it has dropped enable_seqscan, enable_bitmapscan",
    );
    const servers = { redis: (await backingServers()).redis, postgres, stop: async () => undefined };
    await using stack = await openStack({ servers, env: { DATABASE_URL: url, DATABASE_SCHEMA: "public" } });
    const aggregator = await stack.start();
    await aggregator.logged(/Not Postgres itself/);
    await stack.publisher.publishStored(makeEvents(20));
    await aggregator.terminate();
  } finally {
    await setHabits("RESET");
  }
});

test("a service behind transaction pooling ends at once with exit code 2 and the reason", async () => {
  const url = await start("transaction", { ignore_startup_parameters: DROPPED });
  const { redis } = await backingServers();
  const aggregator = await AggregatorProcess.spawn({ DATABASE_URL: url, BROKER_URL: redis.url });
  expect(await aggregator.exited).toBe(2);
  expect(aggregator.tail()).toContain("a pooler shares Postgres's connections between transactions");
});
