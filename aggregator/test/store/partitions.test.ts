import { describe, expect, test } from "bun:test";
import { migrate } from "../../src/store/migrations.ts";
import { StoreAway } from "../../src/store/port.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, type TestEvent } from "../harness/event-factory.ts";
import { nameSchema, openSchema, type Schema } from "./schema.ts";

useBackingServers();

/** Below what any other statement waits for a lock, which is 5 s. */
const LOCK_WAIT_MS_MAX = 4500;

/** Migrated, without a single dated partition. */
async function openBare(): Promise<Schema> {
  const schema = await nameSchema();
  await migrate(schema.database, schema.name);
  return schema;
}

async function make(schema: Schema, unit: "day" | "month", daysAhead: number): Promise<number> {
  const [row] = await schema.database.query(`SELECT make_partitions(${unit === "day"}, ${daysAhead}) AS n`);
  return Number(row?.["n"]);
}

/** The dated partitions as Postgres has them, not as the table `partitions` lists them. */
async function attached(schema: Schema): Promise<{ name: string; from: string; to: string }[]> {
  const rows = await schema.sql`
    SELECT c.relname AS name, pg_get_expr(c.relpartbound, c.oid) AS bound
    FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = 'events'::regclass ORDER BY 2`;
  return rows.flatMap(({ name, bound }) => {
    const [, from, to] = /FROM \('([^']+)'\) TO \('([^']+)'\)/.exec(String(bound)) ?? [];
    return from === undefined || to === undefined ? [] : [{ name: String(name), from, to }];
  });
}

/** Without a hole and without overlap, from now to so many days ahead. */
async function expectUnbroken(schema: Schema, daysAhead: number): Promise<void> {
  const partitions = await attached(schema);
  partitions.slice(1).forEach(({ from }, index) => {
    expect(from).toBe(partitions[index]?.to ?? "");
  });
  const [first, last] = [partitions[0], partitions.at(-1)];
  const [bounds] = await schema.sql`
    SELECT ${first?.from ?? ""}::timestamptz <= now() AS begins,
      ${last?.to ?? ""}::timestamptz >= now() + make_interval(days => ${daysAhead}) AS ends`;
  expect(bounds).toEqual({ begins: true, ends: true });
  const listed = await schema.sql`SELECT name FROM partitions ORDER BY lower_at`;
  expect(listed.map((row) => String(row["name"]))).toEqual(partitions.map(({ name }) => name));
}

/** The lengths in days, of all partitions from one on. */
async function lengths(schema: Schema, from = 0): Promise<number[]> {
  const day = 24 * 3600 * 1000;
  return (await attached(schema)).slice(from).map(({ from, to }) => (Date.parse(to) - Date.parse(from)) / day);
}

/** A week of days or a day more, whatever today is: they must not end with a month. */
async function makeDaysIntoAMonth(schema: Schema): Promise<number> {
  const made = await make(schema, "day", 7);
  const endsWithMonth = (await attached(schema)).at(-1)?.to.includes("-01 ") === true;
  return endsWithMonth ? made + (await make(schema, "day", 8)) : made;
}

/** Makes a partition of the past by hand, with an event in it. */
async function makeOld(schema: Schema, endedAgo: string): Promise<{ name: string; event: TestEvent }> {
  const [bounds] = await schema.sql`
    SELECT (now() - ${endedAgo}::text::interval - interval '1 day')::text AS lower,
      (now() - ${endedAgo}::text::interval)::text AS upper`;
  const [lower, upper] = [String(bounds?.["lower"]), String(bounds?.["upper"])];
  const name = `events_from_old_${crypto.randomUUID().slice(0, 8)}`;
  await schema.sql.unsafe(`CREATE TABLE "${name}" PARTITION OF events FOR VALUES FROM ('${lower}') TO ('${upper}')`);
  await schema.sql.unsafe(`INSERT INTO partitions VALUES ('${name}', '${lower}', '${upper}')`);
  const event = makeEvent({ topic: "old" });
  await schema.takeUp(0);
  await schema.deliver(0, [event]);
  await schema.sql.unsafe(`UPDATE events SET received_at = '${lower}' WHERE event_id = '${event.event_id}'`);
  return { name, event };
}

describe("partitions are made", () => {
  test("by day, a week ahead, each once", async () => {
    await using schema = await openBare();
    expect(await make(schema, "day", 7)).toBeWithin(7, 9);
    await expectUnbroken(schema, 7);
    expect(new Set(await lengths(schema))).toEqual(new Set([1]));
    expect(await make(schema, "day", 7)).toBe(0);
  });

  test("by month, whole months of the calendar", async () => {
    await using schema = await openBare();
    await make(schema, "month", 400);
    await expectUnbroken(schema, 400);
    for (const { from, to } of await attached(schema)) {
      expect([from, to]).toEqual([
        expect.stringMatching(/-01 00:00:00\+00$/),
        expect.stringMatching(/-01 00:00:00\+00$/),
      ]);
    }
    expect(await make(schema, "month", 400)).toBe(0);
  });

  test("by day after months, where the months end", async () => {
    await using schema = await openBare();
    const months = await make(schema, "month", 7);
    await make(schema, "day", 45);
    await expectUnbroken(schema, 45);
    expect(new Set(await lengths(schema, months))).toEqual(new Set([1]));
  });

  test("by month after days, from where the days end up to whole months, and by day again", async () => {
    await using schema = await openBare();
    const days = await makeDaysIntoAMonth(schema);
    await make(schema, "month", 70);
    await expectUnbroken(schema, 70);
    const firstMonths = (await attached(schema)).slice(days);
    for (const { to } of firstMonths) expect(to).toMatch(/-01 00:00:00\+00$/);
    await make(schema, "day", 120);
    await expectUnbroken(schema, 120);
    expect(new Set(await lengths(schema, days + firstMonths.length))).toEqual(new Set([1]));
  });

  test("from several connections at once, each once", async () => {
    await using schema = await openBare();
    const made = await Promise.all(Array.from({ length: 4 }, () => make(schema, "day", 7)));
    expect(made.filter((n) => n > 0)).toHaveLength(1);
    await expectUnbroken(schema, 7);
  });

  test("and take in what arrives, all its rules and indexes with it", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    await schema.deliver(0, [makeEvent()]);
    const [row] = await schema.sql`SELECT tableoid::regclass::text AS place FROM events`;
    expect(String(row?.["place"])).toStartWith("events_from_");
    const indexes = await schema.sql`
      SELECT count(*)::int AS n FROM pg_inherits WHERE inhparent = 'events_newest'::regclass`;
    expect(indexes[0]?.["n"]).toBe((await attached(schema)).length + 1);
    const bad = schema.sql.unsafe(`UPDATE events SET payload = '[]'`);
    expect(await bad.catch((error: { constraint_name?: string }) => error.constraint_name)).toBe(
      "events_payload_is_object",
    );
  });

  test("behind a slow reader not at all, and soon given up: what arrives meanwhile is stored", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const before = (await attached(schema)).length;
    await using reader = await schema.hold("SELECT count(*) FROM events");
    const started = performance.now();
    const making = make(schema, "day", 90).catch((error: unknown) => error);
    expect(await schema.deliver(0, [makeEvent()])).toMatchObject({ unique: 1 });
    expect(await making).toBeInstanceOf(StoreAway);
    expect(performance.now() - started).toBeLessThan(LOCK_WAIT_MS_MAX);
    await reader[Symbol.asyncDispose]();
    expect((await attached(schema)).length).toBe(before);
    expect(await make(schema, "day", 90)).toBeGreaterThan(0);
  });
});

describe("what no partition takes in", () => {
  test("is stored in the default one, found like all others, and counted as stray", async () => {
    await using schema = await openBare();
    await schema.takeUp(0);
    const event = makeEvent({ topic: "stray" });
    expect(await schema.deliver(0, [event])).toMatchObject({ unique: 1 });
    await schema.sql`UPDATE events SET received_at = '2001-01-01'`;
    const page = await schema.page({ topics: ["stray"], limit: 5 });
    expect(page.rows).toHaveLength(1);
    expect(await schema.events.keepPartitions(undefined)).toMatchObject({ dropped: 0 });
    expect(await schema.events.countStrays()).toBe(1);
  });

  test("moves into its partition when that is made", async () => {
    await using schema = await openBare();
    await schema.takeUp(0);
    await schema.deliver(0, [makeEvent({ topic: "stray" })]);
    expect(await schema.events.countStrays()).toBe(1);
    expect((await schema.events.keepPartitions(undefined)).made).toBeGreaterThan(0);
    expect(await schema.events.countStrays()).toBe(0);
    expect((await schema.page({ topics: ["stray"], limit: 5 })).rows).toHaveLength(1);
  });
});

describe("retention drops partitions in which everything has expired", () => {
  test("with their events, never their identities", async () => {
    await using schema = await openSchema();
    const { event } = await makeOld(schema, "30 days 1 minute");
    expect(await schema.events.keepPartitions(30)).toMatchObject({ dropped: 1 });
    expect((await schema.page({ topics: ["old"], limit: 5 })).rows).toEqual([]);
    expect(await schema.sql`SELECT FROM identities`).toHaveLength(1);
    expect(await schema.deliver(0, [event])).toMatchObject({ unique: 0, duplicates: 1 });
    expect(await schema.sql`SELECT FROM events`).toHaveLength(0);
  });

  test("not those that end a minute too late", async () => {
    await using schema = await openSchema();
    const { name } = await makeOld(schema, "29 days 23 hours 59 minutes");
    expect(await schema.events.keepPartitions(30)).toMatchObject({ dropped: 0 });
    expect((await attached(schema)).map((partition) => partition.name)).toContain(name);
  });

  test("nothing at all where events are kept for ever", async () => {
    await using schema = await openSchema();
    await makeOld(schema, "4000 days");
    expect(await schema.events.keepPartitions(undefined)).toMatchObject({ dropped: 0 });
    expect((await schema.page({ topics: ["old"], limit: 5 })).rows).toHaveLength(1);
  });

  test("and takes no less than a day", async () => {
    await using schema = await openSchema();
    const dropping = schema.sql`SELECT drop_expired_partitions(0)`;
    expect(await dropping.catch((error: { code?: string }) => error.code)).toBe("22023");
  });
});
