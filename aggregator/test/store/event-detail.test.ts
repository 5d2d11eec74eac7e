/** One event by its identity, and the ends of topics: found by an index, among many rows and partitions. */
import { expect, test } from "bun:test";
import { EVERYBODY } from "../../src/access/caller.ts";
import { Admission } from "../../src/query/admission.ts";
import { EventRoute } from "../../src/query/event-route.ts";
import { migrate } from "../../src/store/migrations.ts";
import findEvent from "../../src/store/sql/find-event.sql" with { type: "text" };
import timeSpans from "../../src/store/sql/time-spans.sql" with { type: "text" };
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent } from "../harness/event-factory.ts";
import { nameSchema, openSchema, type Schema } from "./schema.ts";

useBackingServers();

test("an event that retention took is 410, with when it was stored", async () => {
  await using schema = await openSchema();
  await schema.takeUp(0);
  const event = makeEvent({ topic: "old" });
  await schema.deliver(0, [event]);
  const [row] = await schema.sql`SELECT to_json(received_at) #>> '{}' AS at FROM identities`;
  await schema.sql`TRUNCATE events`;
  const route = new EventRoute(schema.reader, new Admission());
  const reason: unknown = await route
    .handle(new Request("http://test/"), { topic: "old", event_id: event.event_id }, EVERYBODY)
    .catch((error: unknown) => error);
  expect(reason).toMatchObject({ problem: { status: 410, name: "expired" } });
  const { detail } = (reason as { problem: { detail: string } }).problem;
  expect(detail).toContain(String(row?.["at"]).replace("+00:00", "Z"));
});

/** With a partition for each of thirty days. */
async function openByDay(): Promise<Schema> {
  const schema = await nameSchema();
  await migrate(schema.database, schema.name);
  await schema.sql`SELECT make_partitions(true, 30), make_audit_partitions(true, 30)`;
  return schema;
}

async function planOf(schema: Schema, statement: string, parameters: string): Promise<string> {
  const connection = await schema.sql.reserve();
  try {
    // As the service's connections for queries are.
    for (const setting of ["enable_seqscan", "enable_bitmapscan"]) await connection.unsafe(`SET ${setting} = off`);
    await connection.unsafe("SET plan_cache_mode = force_generic_plan");
    await connection.unsafe(`PREPARE statement AS ${statement}`);
    const rows = await connection.unsafe(`EXPLAIN (ANALYZE, TIMING OFF) EXECUTE statement (${parameters})`);
    await connection.unsafe("DEALLOCATE statement");
    return rows.map((row) => String(row["QUERY PLAN"])).join("\n");
  } finally {
    connection.release();
  }
}

/** Rows that a scan looked at and did not want. */
function removed(plan: string): number {
  return [...plan.matchAll(/Rows Removed by Filter: (\d+)/g)].reduce((total, [, rows]) => total + Number(rows), 0);
}

test("one event among many is found by its place in its shard, and its duplicates by its id", async () => {
  await using schema = await openByDay();
  await schema.takeUp(0);
  await schema.sql`
    INSERT INTO identities SELECT gen_random_uuid(), 't', 0, n, now() + n % 20 * interval '1 day', 0, 1
    FROM generate_series(1000, 40000) n`;
  await schema.sql`
    INSERT INTO events SELECT topic, event_id, now(), 's', '{}', received_at, shard, seq FROM identities`;
  await schema.sql`ANALYZE events`;
  const event = makeEvent({ topic: "t" });
  await schema.deliver(0, [event, event]);
  const plan = await planOf(schema, findEvent, `'${event.event_id}', 't', 101`);
  expect(plan).toMatch(/Index Scan using identities_once/);
  expect(plan).toMatch(/Index Scan using \S+shard_seq_idx on events_from/);
  expect(plan).toMatch(/event_id_idx on duplicates_from/);
  expect(plan).not.toContain("Seq Scan");
  // Only the partition of its arrival is read.
  expect(plan).toContain("never executed");
  expect(removed(plan)).toBe(0);
});

test("first and last timestamps are read from the ends of the index, whatever lies between", async () => {
  await using schema = await openByDay();
  await schema.sql`
    INSERT INTO events SELECT 't' || n % 4, gen_random_uuid(), '2026-01-01'::timestamptz + n * interval '1 second', 's',
      '{}', now() + n % 20 * interval '1 day', 0, n FROM generate_series(1, 40000) n`;
  await schema.sql`ANALYZE events`;
  const plan = await planOf(schema, timeSpans, `'["t0", "t1", "t3", "none"]'`);
  expect(plan).not.toContain("Seq Scan");
  expect(plan).not.toMatch(/Sort Key.*\n.*Sort Method/);
  // One row of a topic in each partition, at each of both ends.
  const rows = [...plan.matchAll(/on events_\S+ e_?\d*\s.*actual rows=([\d.]+) loops=(\d+)/g)];
  const read = rows.reduce((total, [, each, loops]) => total + Number(each) * Number(loops), 0);
  expect(rows.length).toBeGreaterThan(30);
  expect(read).toBeLessThanOrEqual(4 * rows.length);
  const spans = await schema.reader.timeSpans(["t0", "t1", "none"]);
  expect([...spans.keys()].toSorted()).toEqual(["t0", "t1"]);
  expect(spans.get("t1")).toEqual({ first_timestamp: "2026-01-01T00:00:01Z", last_timestamp: "2026-01-01T11:06:37Z" });
});
