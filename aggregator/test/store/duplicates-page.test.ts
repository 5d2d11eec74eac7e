/** Reading the audit: pages that neither skip nor repeat, filters, bounds, and the plans behind them. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { type DuplicateRecord, DuplicateRecordSchema } from "@sekali/contract";
import { Value } from "@sinclair/typebox/value";
import type { AuditPlace, DuplicatesQuery } from "../../src/store/audit-port.ts";
import { PostgresAuditStore } from "../../src/store/audit-store.ts";
import { INDEXES_ONLY } from "../../src/store/database.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, makeEvents, uuid } from "../harness/event-factory.ts";
import { TcpProxy } from "../harness/tcp-proxy.ts";
import { openSchema, type Schema } from "./schema.ts";

useBackingServers();

const LOOKS_AT_ROWS_MAX = 50_000;
const EVERYTHING: DuplicatesQuery = {
  topics: [">"],
  event_id: undefined,
  source: undefined,
  since: undefined,
  until: undefined,
  conflict: undefined,
  limit: 50,
  after: undefined,
};

interface Page {
  readonly records: DuplicateRecord[];
  readonly next: AuditPlace | undefined;
}

async function page(schema: Schema, query: Partial<DuplicatesQuery>): Promise<Page> {
  const { rows, next } = await schema.audit.duplicates({ ...EVERYTHING, ...query });
  const records = rows.map((row) => JSON.parse(row) as DuplicateRecord);
  for (const record of records) expect([record, Value.Check(DuplicateRecordSchema, record)]).toEqual([record, true]);
  return { records, next };
}

async function walk(
  schema: Schema,
  query: Partial<DuplicatesQuery>,
): Promise<{ seen: DuplicateRecord[]; pages: number }> {
  const seen: DuplicateRecord[] = [];
  let pages = 0;
  for (let after: AuditPlace | undefined, more = true; more; ) {
    const { records, next } = await page(schema, { ...query, after });
    seen.push(...records);
    pages += 1;
    after = next;
    more = next !== undefined;
  }
  return { seen, pages };
}

const place = ({ shard, seq }: { shard: number; seq: number }) => `${shard}-${seq}`;

describe("pages", () => {
  test("show the newest arrival first and neither skip nor repeat, also while more arrives", async () => {
    await using schema = await openSchema();
    for (const shard of [0, 1, 2]) await schema.takeUp(shard);
    const event = makeEvent({ topic: "a" });
    await schema.deliver(0, [event]);
    for (let round = 0; round < 5; round += 1) {
      for (const shard of [0, 1, 2]) await schema.deliver(shard, [event, event, event]);
    }
    const all = (await page(schema, { limit: 1000 })).records;
    expect(all).toHaveLength(45);
    const order = all.map(({ received_at, shard, seq }) => [received_at, shard, seq] as const);
    const sorted = order.toSorted((a, b) => b[0].localeCompare(a[0]) || b[1] - a[1] || b[2] - a[2]);
    expect(order).toEqual(sorted);
    const first = await page(schema, { limit: 7 });
    await schema.deliver(1, [event, event]);
    const { seen } = await walk(schema, { limit: 7, after: first.next });
    expect([...first.records, ...seen].slice(0, 7).map(place)).toEqual(all.slice(0, 7).map(place));
    const following = await walkFrom(schema, first);
    expect(following.map(place)).toEqual(all.map(place));
  });

  async function walkFrom(schema: Schema, first: Page): Promise<DuplicateRecord[]> {
    const seen = [...first.records];
    for (let after = first.next; after !== undefined; ) {
      const { records, next } = await page(schema, { limit: 7, after });
      seen.push(...records);
      after = next;
    }
    return seen;
  }

  test("end early where payloads are large, and go on from there", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const event = makeEvent({ payload: { n: 1 } });
    await schema.deliver(0, [event]);
    const large = { ...event, payload: { text: "x".repeat(60_000) } };
    for (let batch = 0; batch < 4; batch += 1)
      await schema.deliver(
        0,
        Array.from({ length: 50 }, () => large),
      );
    const first = await page(schema, { limit: 1000 });
    expect(first.records.length).toBeWithin(100, 200);
    const { seen, pages } = await walk(schema, { limit: 1000 });
    expect([seen.length, pages, new Set(seen.map(place)).size]).toEqual([200, 2, 200]);
  });
});

describe("filters", () => {
  let schema: Schema;
  beforeAll(async () => {
    schema = await openSchema();
    await schema.takeUp(0);
    const topics = ["user.auth", "user.auth.login", "user", "user.x+y", "order"];
    for (const topic of topics) {
      const event = makeEvent({ topic, source: "svc-a", payload: { n: 1 } });
      await schema.deliver(0, [event, event, { ...event, source: "svc-b" }]);
    }
  });
  afterAll(async () => await schema[Symbol.asyncDispose]());

  test.each<[string, Partial<DuplicatesQuery>, number]>([
    ["a topic", { topics: ["user"] }, 2],
    ["a topic that looks like an expression", { topics: ["user.x+y"] }, 2],
    ["one token", { topics: ["user.*"] }, 4],
    ["all further tokens", { topics: ["user.>"] }, 6],
    ["a pattern with signs in it", { topics: ["*.x+y"] }, 2],
    ["a pattern that nothing matches", { topics: ["u.*"] }, 0],
    ["several topics and patterns", { topics: ["user", "*.x+y", "none.>"] }, 4],
    ["a source", { source: "svc-b" }, 5],
    ["conflicts", { conflict: true }, 5],
    ["what is no conflict", { conflict: false }, 5],
    ["several at once", { conflict: true, source: "svc-b", topics: ["user.>"] }, 3],
    ["conflicts of a source that has none", { conflict: true, source: "svc-a" }, 0],
    ["since for ever", { since: "2001-01-01T00:00:00Z" }, 10],
    ["until long ago", { until: "2001-01-01T00:00:00Z" }, 0],
  ])("by %s", async (_name, query, found) => {
    expect((await page(schema, query)).records).toHaveLength(found);
    expect((await walk(schema, { ...query, limit: 1 })).seen).toHaveLength(found);
  });

  test("since takes in its instant, until does not", async () => {
    const [newest] = (await page(schema, { limit: 1 })).records;
    const instant = newest?.received_at ?? "";
    expect((await page(schema, { since: instant })).records).toHaveLength(2);
    expect((await page(schema, { until: instant })).records).toHaveLength(8);
  });

  test("a conflict says what it said, others do not", async () => {
    const { records } = await page(schema, { topics: ["order"] });
    expect(records).toMatchObject([{ conflict: true, source: "svc-b", payload: { n: 1 } }, { conflict: false }]);
    expect(Object.keys(records[1] ?? {})).not.toContain("payload");
  });

  test("those that resend most come first", async () => {
    expect(await schema.audit.resending()).toMatchObject({
      duplicates: 10,
      sources: [
        { source: "svc-a", duplicates: 5, conflicts: 0 },
        { source: "svc-b", duplicates: 5, conflicts: 5 },
      ],
    });
    await using empty = await openSchema();
    expect(await empty.audit.resending()).toEqual({ duplicates: 0, since: null, sources: [] });
  });
});

describe("with many rows", () => {
  let schema: Schema;
  beforeAll(async () => {
    schema = await openSchema();
    await schema.sql`
      INSERT INTO duplicates
        (received_at, shard, seq, event_id, topic, source, conflict, content_hash, "timestamp", payload)
      SELECT date_trunc('day', now()) + n * interval '1 microsecond', n % 4, n, gen_random_uuid(),
        'many.' || n % 10, CASE WHEN n IN (7, 60000) THEN 'rare' ELSE 'usual' END,
        c, CASE WHEN c THEN 1 END, CASE WHEN c THEN now() END, CASE WHEN c THEN '{}'::jsonb END
      FROM generate_series(1, 120000) AS n, LATERAL (SELECT n % 10 = 0) AS x (c)`;
    await schema.takeUp(0);
    for (let batch = 0; batch < 4; batch += 1) await schema.deliver(0, makeEvents(1000));
    for (const table of ["events", "duplicates"]) {
      const [row] = await schema.sql.unsafe(`SELECT tableoid::regclass::text AS name FROM ${table} LIMIT 1`);
      await schema.sql.unsafe(`ANALYZE ${String(row?.["name"])}`);
    }
  });
  afterAll(async () => await schema[Symbol.asyncDispose]());

  test("a page looks at so many and no more; the pages after it find the rest", async () => {
    const first = await page(schema, { source: "rare", limit: 10 });
    expect(first.records).toEqual([]);
    expect(first.next?.seq).toBe(120_000 - LOOKS_AT_ROWS_MAX + 1);
    const { seen, pages } = await walk(schema, { source: "rare", limit: 10 });
    expect(seen.map(({ seq }) => seq)).toEqual([60_000, 7]);
    expect(pages).toBe(3);
  });

  /** The statement that a call sends, as Postgres was asked to parse it. */
  async function statementOf(call: (audit: PostgresAuditStore) => Promise<unknown>): Promise<string> {
    const proxy = await TcpProxy.open({ protocol: "postgres", targetPort: Number(new URL(schema.url).port) });
    const seen: string[] = [];
    const end = proxy.watch(({ direction, text }) => {
      if (direction === "request" && text.startsWith("P")) seen.push(text.slice(5).split("\0")[1] ?? "");
    });
    const database = schema.connect(proxy.inFrontOf(schema.url), 1);
    await call(new PostgresAuditStore(database));
    await database.close(1);
    end();
    proxy.close();
    return seen.find((statement) => /\bduplicates\b/.test(statement)) ?? "";
  }

  async function planOf(statement: string, settings: Record<string, string> = {}): Promise<string> {
    const set = Object.entries(settings).map(([name, value]) => `SET LOCAL ${name} = ${value};`);
    const rows = await schema.sql.begin(async (transaction) => {
      await transaction.unsafe(set.join(""));
      return await transaction.unsafe(`EXPLAIN (GENERIC_PLAN, COSTS OFF) ${statement}`).simple();
    });
    return rows.map((row) => String(row["QUERY PLAN"])).join("\n");
  }

  test.each<[string, (audit: PostgresAuditStore) => Promise<unknown>]>([
    ["a page", (audit) => audit.duplicates(EVERYTHING)],
    ["a page of conflicts", (audit) => audit.duplicates({ ...EVERYTHING, conflict: true })],
    [
      "a page with every filter",
      (audit) => audit.duplicates({ ...EVERYTHING, topics: ["a.*"], source: "a", since: "2025-01-01T00:00:00Z" }),
    ],
    ["who resends", (audit) => audit.resending()],
  ])("%s is read by an index, in its order, without reading or sorting all", async (_name, call) => {
    const plan = await planOf(await statementOf(call));
    expect(plan).toMatch(/Index Scan( Backward)? using duplicates_\S+/);
    expect(plan).not.toMatch(/Seq Scan on duplicates_from/);
    expect(plan).toMatch(/Merge Append/);
  });

  test.each<[string, (audit: PostgresAuditStore) => Promise<unknown>]>([
    ["judging", (audit) => audit.judge(0)],
    ["both sides of conflicts", (audit) => audit.conflicts([])],
  ])("%s looks everything up by indexes, on connections as workers have them", async (_name, call) => {
    const plan = await planOf(await statementOf(call), INDEXES_ONLY);
    expect(plan).toMatch(/Index Scan using duplicates_\S+/);
    expect(plan).toMatch(/Index Scan using identities_once/);
    expect(plan).not.toMatch(/Seq Scan/);
  });

  test.each<[string, () => Promise<string>]>([
    ["to be shown with its event", async () => "SELECT * FROM duplicates WHERE event_id = $1::uuid AND topic = $2"],
    ["to be paged through", () => statementOf((audit) => audit.duplicates({ ...EVERYTHING, event_id: uuid() }))],
  ])("an identity's duplicates are found by an index, %s", async (_name, statement) => {
    const plan = await planOf(await statement());
    expect(plan).toMatch(/using duplicates_\S*event_id\S*/);
    expect(plan).not.toMatch(/Seq Scan on duplicates_from/);
  });
});
