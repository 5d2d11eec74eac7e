/** Pages of events: complete, in order, without repetition, and by the index. */
import { describe, expect, test } from "bun:test";
import type { EventRecord } from "@sekali/contract";
import type { EventsCursor } from "../../src/store/port.ts";
import allTopicsStatement from "../../src/store/sql/events-of-all-topics.sql" with { type: "text" };
import topicStatement from "../../src/store/sql/events-of-topic.sql" with { type: "text" };
import renderPage from "../../src/store/sql/render-page.sql" with { type: "text" };
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, pick, shuffled, type TestEvent, uuid } from "../harness/event-factory.ts";
import { openSchema, type Schema } from "./schema.ts";

useBackingServers();

/** More than any of these tests stores. */
const EVENTS_MAX = 1000;

/** Many with the same timestamp, some with the same UUID on several topics. */
function crowded(events: number, topics: readonly string[]): TestEvent[] {
  const timestamps = ["2026-01-01T00:00:00Z", "2026-01-01T00:00:00.000001Z", "2026-01-01T01:00:00+01:00"];
  const ids = Array.from({ length: Math.ceil(events / 2) }, uuid);
  const drawn = new Map<string, TestEvent>();
  while (drawn.size < events) {
    const event = makeEvent({ topic: pick(topics), event_id: pick(ids), timestamp: pick(timestamps) });
    drawn.set(`${event.topic} ${event.event_id}`, event);
  }
  return [...drawn.values()];
}

async function allPages(schema: Schema, topic: string | undefined, limit: number): Promise<EventRecord[]> {
  const found: EventRecord[] = [];
  let after: EventsCursor | undefined;
  do {
    const page = await schema.events.events({ topic, limit, after });
    expect(page.rows.length).toBeLessThanOrEqual(limit);
    expect(page.rows.length === limit || page.next === undefined).toBe(true);
    found.push(...page.rows.map((row) => JSON.parse(row) as EventRecord));
    if (found.length > EVENTS_MAX) throw new Error("the pages have no end");
    after = page.next;
  } while (after !== undefined);
  return found;
}

/** The order of pages, by Postgres's own sort over everything. */
async function sorted(schema: Schema, topic?: string): Promise<string[]> {
  const rows = await schema.sql`
    SELECT topic, event_id FROM events WHERE ${topic ?? null}::text IS NULL OR topic = ${topic ?? null}
    ORDER BY "timestamp" DESC, event_id DESC, topic DESC`;
  return rows.map((row) => `${row["topic"]} ${row["event_id"]}`);
}

const names = (records: readonly EventRecord[]) => records.map(({ topic, event_id }) => `${topic} ${event_id}`);

describe("pages follow each other without a gap or a repetition", () => {
  test.each([1, 7, 100, 150, 1000])("by %d, over equal timestamps, of one topic and of all", async (limit) => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const topics = ["a", "b", "B", "b.c", "é"];
    await schema.deliver(0, crowded(limit === 1 ? 40 : 150, topics));
    expect(names(await allPages(schema, undefined, limit))).toEqual(await sorted(schema));
    expect(names(await allPages(schema, "b", limit))).toEqual(await sorted(schema, "b"));
  });

  test("whatever is added between them", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    await schema.deliver(0, crowded(60, ["a", "b"]));
    const expected = await sorted(schema);
    const first = await schema.events.events({ topic: undefined, limit: 20, after: undefined });
    const newer = crowded(30, ["a", "c"]).map((event) => ({ ...event, timestamp: "2027-01-01T00:00:00Z" }));
    await schema.deliver(0, newer);
    const second = await schema.events.events({ topic: undefined, limit: 100, after: first.next });
    const read = [...first.rows, ...second.rows].map((row) => JSON.parse(row) as EventRecord);
    expect(names(read)).toEqual(expected);
  });

  test("where the page ends early because its payloads are large, too", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    // Random, because Postgres compresses what it stores, and looks at stored sizes.
    const large = Buffer.from(crypto.getRandomValues(new Uint8Array(48 * 1024)))
      .toString("base64")
      .repeat(16);
    const events = Array.from({ length: 20 }, () => makeEvent({ topic: "large", payload: { large } }));
    await schema.deliver(0, events);
    const first = await schema.events.events({ topic: "large", limit: 50, after: undefined });
    expect(first.rows.length).toBe(8);
    const found: EventRecord[] = [];
    for (let after: EventsCursor | undefined, pages = 0; pages < 5; pages += 1) {
      const page = await schema.events.events({ topic: "large", limit: 50, after });
      found.push(...page.rows.map((row) => JSON.parse(row) as EventRecord));
      if (page.next === undefined) break;
      after = page.next;
    }
    expect(names(found)).toEqual(await sorted(schema, "large"));
    expect(found.every(({ payload }) => payload["large"] === large)).toBe(true);
  });

  test("and are empty where there is nothing", async () => {
    await using schema = await openSchema();
    for (const topic of [undefined, "none"]) {
      expect(await schema.events.events({ topic, limit: 5, after: undefined })).toEqual({ rows: [], next: undefined });
    }
  });
});

describe("the index events_newest", () => {
  const TOPICS = ["plan.a", "plan.b", "plan.c", "plan.d"];
  const ROWS_A_TOPIC = 5000;

  interface PlanNode {
    readonly "Node Type": string;
    readonly "Relation Name"?: string;
    readonly "Index Name"?: string;
    readonly "Actual Rows"?: number;
    readonly Plans?: readonly PlanNode[];
  }

  const flat = (node: PlanNode): PlanNode[] => [node, ...(node.Plans ?? []).flatMap(flat)];

  async function fill(schema: Schema): Promise<void> {
    await schema.sql`SELECT make_partitions(true, 60)`;
    for (const topic of shuffled(TOPICS)) {
      await schema.sql`
        INSERT INTO events SELECT ${topic}, gen_random_uuid(), '2026-01-01'::timestamptz + n * interval '1 second', 's',
          '{}', now() + n % 40 * interval '1 day', 0, n FROM generate_series(1, ${ROWS_A_TOPIC}) n`;
      await schema.sql`INSERT INTO counters VALUES (0, ${topic}, ${ROWS_A_TOPIC}, 0, 0)`;
    }
    await schema.sql`ANALYZE events`;
  }

  /** The nodes of the plan that read events, for the statement as the service prepares it. */
  async function readers(schema: Schema, statement: string, parameters: string, mode: string): Promise<PlanNode[]> {
    const connection = await schema.sql.reserve();
    try {
      await connection.unsafe(`SET plan_cache_mode = ${mode}`);
      await connection.unsafe(`PREPARE page AS ${statement}${renderPage}`);
      const rows = await connection.unsafe(`EXPLAIN (ANALYZE, TIMING OFF, FORMAT JSON) EXECUTE page (${parameters})`);
      await connection.unsafe("DEALLOCATE page");
      const plans = rows.flatMap((row) => row["QUERY PLAN"] as { Plan: PlanNode }[]);
      return plans
        .flatMap(({ Plan: plan }) => flat(plan))
        .filter((node) => node["Relation Name"]?.startsWith("events"));
    } finally {
      connection.release();
    }
  }

  async function partsOfIndex(schema: Schema): Promise<Set<string>> {
    const rows = await schema.sql`
      SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'events_newest'::regclass`;
    return new Set(rows.map((row) => String(row["relname"])));
  }

  test("is what a page reads, the first and the next, of one topic and of all, and little more than the page", async () => {
    await using schema = await openSchema();
    await fill(schema);
    const index = await partsOfIndex(schema);
    const partitions = index.size;
    const place = `'2026-01-01 00:30:00+00', '${uuid()}'`;
    for (const mode of ["force_custom_plan", "force_generic_plan"]) {
      for (const [statement, parameters, topics] of [
        [topicStatement, "'plan.b', NULL, NULL, 51, 'false'", 1],
        [topicStatement, `'plan.b', ${place}, 51, 'false'`, 1],
        [allTopicsStatement, "NULL, NULL, NULL, 51, 'false'", TOPICS.length],
        [allTopicsStatement, `${place}, 'plan.b', 51, 'false'`, TOPICS.length],
      ] as const) {
        const nodes = await readers(schema, statement, parameters, mode);
        const scans = nodes.map((node) => `${node["Node Type"]} ${index.has(node["Index Name"] ?? "")}`);
        expect(new Set(scans)).toEqual(new Set(["Index Scan true"]));
        const rows = nodes.reduce((total, node) => total + (node["Actual Rows"] ?? 0), 0);
        expect(rows).toBeLessThanOrEqual(51 * topics + partitions);
      }
    }
  });
});
