/** Connections that never make their caller wait for ever, and say whose fault a failure is. */
import { describe, expect, test } from "bun:test";
import { StoreAway, TooSlow, Unstorable } from "../../src/store/port.ts";
import { backingServers, useBackingServers } from "../harness/backing-servers.ts";
import { eventually, within } from "../harness/eventually.ts";
import { TcpProxy } from "../harness/tcp-proxy.ts";
import { openSchema, type Schema } from "./schema.ts";

useBackingServers();

const SECOND = 1000;

/** Ends every connection of the service's kind to this schema. */
async function terminateAll(schema: Schema): Promise<number> {
  const rows = await schema.sql`
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE application_name = 'sekali test' AND pid <> pg_backend_pid()`;
  return rows.length;
}

function outcomeOf(work: Promise<unknown>): Promise<unknown> {
  return work.then(
    () => "done",
    (error: unknown) => (error instanceof Error ? error.name : error),
  );
}

describe("a transaction whose backend dies with queries queued", () => {
  // Unpatched, the driver throws a TypeError outside of any promise here, and the process ends.
  test("fails as StoreAway, its queries fail with it, and the pool goes on", async () => {
    await using schema = await openSchema();
    const transactions = Array.from({ length: 4 }, () =>
      schema.database.transaction(async (tx) => {
        await tx`SELECT 1`;
        const first = outcomeOf(tx`SELECT pg_sleep(30)`);
        const queued = Array.from({ length: 5 }, (_, n) => outcomeOf(tx`SELECT ${n}::int`));
        expect(await first).toBe("PostgresError");
        expect(new Set(await Promise.all(queued))).not.toContain("done");
        await tx`SELECT 2`;
      }),
    );
    const outcomes = Promise.all(transactions.map(outcomeOf));
    await eventually(async () => {
      const [row] = await schema.sql`
        SELECT count(*)::int AS n FROM pg_stat_activity
        WHERE application_name = 'sekali test' AND query LIKE '%pg_sleep(30)%' AND state = 'active'`;
      expect(row?.["n"]).toBe(4);
    });
    expect(await terminateAll(schema)).toBe(4);
    expect(await within(outcomes, 5 * SECOND, "the end of the transactions")).toEqual(Array(4).fill("StoreAway"));
    const answers = Promise.all(Array.from({ length: 8 }, () => schema.database.query("SELECT 1 AS one")));
    expect(await within(answers, 5 * SECOND, "an answer of the pool")).toEqual(Array(8).fill([{ one: 1 }]));
  });
});

describe("a link that swallows bytes", () => {
  test("is given up at the deadline, and the next call has a connection that does not", async () => {
    const { postgres } = await backingServers();
    await using schema = await openSchema();
    const proxy = await TcpProxy.open({ protocol: "postgres", targetPort: postgres.port });
    const database = schema.connect(proxy.inFrontOf(schema.url), 1);
    expect(await database.query("SELECT 1 AS one")).toEqual([{ one: 1 }]);
    const held = proxy.hold("request", ({ text }) => text.includes("swallowed"));
    const started = performance.now();
    expect(await outcomeOf(database.query("SELECT 'swallowed'", [], 300))).toBe("StoreAway");
    expect(performance.now() - started).toBeWithin(290, 3 * SECOND);
    expect(held.count).toBe(1);
    expect(await database.query("SELECT 2 AS two", [], 3 * SECOND)).toEqual([{ two: 2 }]);
    await database.close(1);
    proxy.close();
  });
});

describe("a failure is", () => {
  test.each([
    ["the data's: a cast", "SELECT 'x'::uuid", Unstorable],
    [
      "the data's: our own check",
      "INSERT INTO identities VALUES (gen_random_uuid(), '', 0, 1, now(), 0, 1)",
      Unstorable,
    ],
    ["the data's: a field is missing", "INSERT INTO identities (topic) VALUES ('a')", Unstorable],
    ["time's", "SET statement_timeout = 1; SELECT pg_sleep(5)", TooSlow],
    ["the server's: another table's check", "INSERT INTO positions (shard) VALUES (-1)", StoreAway],
    ["the server's: a missing field of another table", "INSERT INTO dead_letters (shard) VALUES (1)", StoreAway],
    ["the server's: no such table", "SELECT FROM nowhere", StoreAway],
    ["the server's: a conflict of keys", "INSERT INTO installation DEFAULT VALUES", StoreAway],
  ])("%s", async (_name, statement, kind) => {
    await using schema = await openSchema();
    const failure: unknown = await schema.database
      .use((sql) => sql.unsafe(statement).simple(), SECOND)
      .catch((error: unknown) => error);
    expect(failure).toBeInstanceOf(kind);
  });

  test("the server's where there is none", async () => {
    await using schema = await openSchema();
    const nowhere = schema.connect("postgres://admin:x@127.0.0.1:9/none");
    expect(await outcomeOf(nowhere.query("SELECT 1"))).toBe("StoreAway");
    await nowhere.close(1);
  });

  test("the caller's own where its work in a transaction throws, and nothing of it stays", async () => {
    await using schema = await openSchema();
    const failing = schema.database.transaction(async (tx) => {
      await tx`INSERT INTO positions (shard) VALUES (5)`;
      throw new RangeError("mine");
    });
    expect(await failing.catch(String)).toBe("RangeError: mine");
    expect((await schema.batches.standings()).size).toBe(0);
  });
});

test("a session has the settings that the promises rest on", async () => {
  await using schema = await openSchema();
  const rows = await schema.database.query(`
    SELECT name, setting FROM pg_settings WHERE name IN
      ('TimeZone', 'synchronous_commit', 'statement_timeout', 'lock_timeout', 'idle_in_transaction_session_timeout')`);
  expect(Object.fromEntries(rows.map((row) => [row["name"], row["setting"]]))).toEqual({
    TimeZone: "UTC",
    synchronous_commit: "on",
    statement_timeout: "8000",
    lock_timeout: "5000",
    idle_in_transaction_session_timeout: "5000",
  });
});
