/** Pages of events: complete, in order, without repetition, and by the index. */
import { describe, expect, test } from "bun:test";
import type { EventRecord } from "@sekali/contract";
import { pageStatement } from "../../src/store/page-statement.ts";
import type { EventsCursor, EventsQuery, Order } from "../../src/store/reader-port.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent, pick, shuffled, type TestEvent, uuid } from "../harness/event-factory.ts";
import { EVERYTHING, openSchema, type Schema } from "./schema.ts";

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

async function allPages(schema: Schema, asked: Partial<EventsQuery>, limit: number): Promise<EventRecord[]> {
  const found: EventRecord[] = [];
  let after: EventsCursor | undefined;
  do {
    const page = await schema.page({ ...asked, limit, after });
    expect(page.rows.length).toBeLessThanOrEqual(limit);
    expect(page.rows.length === limit || page.next === undefined).toBe(true);
    found.push(...page.rows.map((row) => JSON.parse(row) as EventRecord));
    if (found.length > EVENTS_MAX) throw new Error("the pages have no end");
    after = page.next;
  } while (after !== undefined);
  return found;
}

/** The order of pages, by Postgres's own sort over everything that a condition leaves. */
async function sorted(schema: Schema, where = "true", order: Order = "desc"): Promise<string[]> {
  const rows = await schema.sql.unsafe(`
    SELECT topic, event_id FROM events WHERE ${where}
    ORDER BY "timestamp" ${order}, event_id ${order}, topic ${order}`);
  return rows.map((row) => `${row["topic"]} ${row["event_id"]}`);
}

const names = (records: readonly EventRecord[]) => records.map(({ topic, event_id }) => `${topic} ${event_id}`);

describe("pages follow each other without a gap or a repetition", () => {
  test.each([1, 7, 100, 150, 1000])("by %d, over equal timestamps, of one topic and of all", async (limit) => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    const topics = ["a", "b", "B", "b.c", "é"];
    await schema.deliver(0, crowded(limit === 1 ? 40 : 150, topics));
    for (const order of ["desc", "asc"] as const) {
      for (const [topic, where] of [
        [">", "true"],
        ["b", "topic = 'b'"],
        ["*", "topic <> 'b.c'"],
        ["b.>", "topic = 'b.c'"],
      ] as const) {
        const found = await allPages(schema, { topics: [topic], order }, limit);
        expect(names(found)).toEqual(await sorted(schema, where, order));
      }
    }
  });

  test("whatever is added between them", async () => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    await schema.deliver(0, crowded(60, ["a", "b"]));
    const expected = await sorted(schema);
    const first = await schema.page({ limit: 20 });
    const newer = crowded(30, ["a", "c"]).map((event) => ({ ...event, timestamp: "2027-01-01T00:00:00Z" }));
    await schema.deliver(0, newer);
    const second = await schema.page({ limit: 100, after: first.next });
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
    const first = await schema.page({ topics: ["large"], limit: 50 });
    expect(first.rows.length).toBe(8);
    const found: EventRecord[] = [];
    for (let after: EventsCursor | undefined, pages = 0; pages < 5; pages += 1) {
      const page = await schema.page({ topics: ["large"], limit: 50, after });
      found.push(...page.rows.map((row) => JSON.parse(row) as EventRecord));
      if (page.next === undefined) break;
      after = page.next;
    }
    expect(names(found)).toEqual(await sorted(schema, "topic = 'large'"));
    expect(found.every(({ payload }) => payload["large"] === large)).toBe(true);
  });

  test("and are empty where there is nothing", async () => {
    await using schema = await openSchema();
    for (const topic of [">", "none", "none.*"]) {
      expect(await schema.page({ topics: [topic], limit: 5 })).toEqual({ rows: [], next: undefined });
    }
  });
});

describe("a filter keeps what it says, in both orders and over pages", () => {
  const at = (second: string) => `2026-03-01T00:00:${second}Z`;
  const NIL = "00000000-0000-0000-0000-000000000000";
  const MAX = "ffffffff-ffff-ffff-ffff-ffffffffffff";
  const EVENTS = [
    makeEvent({ topic: "f.a", event_id: NIL, timestamp: at("01"), source: "s-1", payload: { user: { id: 7 } } }),
    makeEvent({ topic: "f.a", event_id: MAX, timestamp: at("01"), source: "s-2", payload: { user: { id: "7" } } }),
    makeEvent({ topic: "f.a", timestamp: at("02"), source: "s-1", payload: { user: { id: 7.0, tags: ["x", "y"] } } }),
    makeEvent({ topic: "f.b", event_id: MAX, timestamp: at("02"), source: "s-1", payload: { note: "100% Süß_\\" } }),
    makeEvent({ topic: "f.b", event_id: NIL, timestamp: at("03"), source: "S-1", payload: { note: 'a "quote"' } }),
    makeEvent({ topic: "g", timestamp: at("02.999999"), source: "s-1", payload: { note: "line\nbreak", deep: [[1]] } }),
  ];

  test.each<[string, Partial<EventsQuery>, number[]]>([
    ["since takes its own instant in", { since: at("02") }, [2, 3, 4, 5]],
    ["until leaves its own instant out", { until: at("02") }, [0, 1]],
    ["since the instant of the least UUID", { topics: ["f.a"], since: at("01"), until: at("02") }, [0, 1]],
    ["since and until in another offset", { since: "2026-03-01T07:00:02+07:00", until: at("03") }, [2, 3, 5]],
    ["nothing between since and an earlier until", { since: at("03"), until: at("01") }, []],
    ["source, to the letter", { source: "s-1" }, [0, 2, 3, 5]],
    ["a number is a number", { contains: ['{"user":{"id":7}}'] }, [0, 2]],
    ["a string is a string", { contains: ['{"user":{"id":"7"}}'] }, [1]],
    ["several conditions", { contains: ['{"user":{"id":7}}', '{"user":{"tags":["y"]}}'] }, [2]],
    ["text in any case", { text: "süSS".slice(0, 2) }, [3]],
    ["text that LIKE would read as a pattern", { text: "%" }, [3]],
    ["an underscore", { text: "_" }, [3]],
    ["a backslash", { text: "\\" }, [3]],
    ["a quote", { text: '"QUOTE"' }, [4]],
    ["a line break", { text: "line\nbreak" }, [5]],
    ["a key", { text: "tags" }, [2]],
    ["all at once", { topics: ["f.*"], source: "s-1", since: at("02"), contains: ['{"user":{}}'], text: "X" }, [2]],
  ])("%s", async (_, asked, expected) => {
    await using schema = await openSchema();
    await schema.takeUp(0);
    await schema.deliver(0, EVENTS);
    const wanted = new Set(expected.map((index) => EVENTS[index]?.event_id + (EVENTS[index]?.topic ?? "")));
    const inOrder = (await allPages(schema, { order: "asc" }, 100)).filter((each) =>
      wanted.has(each.event_id + each.topic),
    );
    expect(inOrder).toHaveLength(expected.length);
    for (const limit of [1, 100]) {
      expect(names(await allPages(schema, { ...asked, order: "asc" }, limit))).toEqual(names(inOrder));
      expect(names(await allPages(schema, asked, limit))).toEqual(names(inOrder.toReversed()));
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
    readonly "Actual Loops"?: number;
    readonly "Rows Removed by Filter"?: number;
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
      // As the service's connections for queries are.
      await connection.unsafe("SET enable_seqscan = off");
      await connection.unsafe("SET enable_bitmapscan = off");
      await connection.unsafe(`PREPARE page AS ${statement}`);
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

  const rowsRead = (nodes: readonly PlanNode[]): number =>
    nodes.reduce((total, node) => total + (node["Actual Rows"] ?? 0) * (node["Actual Loops"] ?? 0), 0);

  async function partsOfIndex(schema: Schema): Promise<Set<string>> {
    const rows = await schema.sql`
      SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
      WHERE i.inhparent = 'events_newest'::regclass`;
    return new Set(rows.map((row) => String(row["relname"])));
  }

  const ALL = `'${JSON.stringify(TOPICS)}'`;
  const NEWEST = "'infinity', 'ffffffff-ffff-ffff-ffff-ffffffffffff', ''";
  const OLDEST = "'-infinity', '00000000-0000-0000-0000-000000000000', ''";
  const PLACE = `'2026-01-01 00:30:00+00', '${uuid()}', 'plan.b'`;
  const REST = "51, 'false'";

  test("is what a page reads, first and next, of one topic and of many, in both orders, and little more", async () => {
    await using schema = await openSchema();
    await fill(schema);
    const index = await partsOfIndex(schema);
    const partitions = index.size;
    for (const mode of ["force_custom_plan", "force_generic_plan"]) {
      for (const [shape, order, parameters, topics] of [
        ["topic", "desc", `'plan.b', ${NEWEST}, ${REST}`, 1],
        ["topic", "desc", `'plan.b', ${PLACE}, ${REST}`, 1],
        ["topic", "asc", `'plan.b', ${OLDEST}, ${REST}`, 1],
        ["topic", "asc", `'plan.b', ${PLACE}, ${REST}`, 1],
        ["topics", "desc", `${ALL}, ${NEWEST}, ${REST}`, TOPICS.length],
        ["topics", "desc", `${ALL}, ${PLACE}, ${REST}`, TOPICS.length],
        ["topics", "asc", `${ALL}, ${OLDEST}, ${REST}`, TOPICS.length],
        ["topics", "asc", `${ALL}, ${PLACE}, ${REST}`, TOPICS.length],
      ] as const) {
        const statement = pageStatement(shape, { ...EVERYTHING, order }).text;
        const nodes = await readers(schema, statement, parameters, mode);
        expect(nodes.length).toBeGreaterThan(0);
        for (const node of nodes) {
          expect(node["Node Type"]).toMatch(/^Index (Only )?Scan$/);
          expect(index.has(node["Index Name"] ?? "")).toBe(true);
        }
        // A page of one topic; of many, a few keys of each, and then a page of all together.
        const most = shape === "topic" ? 51 + partitions : 5 * 51 + 2 * topics * (1 + partitions);
        expect(rowsRead(nodes)).toBeLessThanOrEqual(most);
        // The index finds the place itself: no row before it is looked at.
        const removed = nodes.reduce((total, node) => total + (node["Rows Removed by Filter"] ?? 0), 0);
        expect(removed).toBeLessThanOrEqual(topics);
      }
    }
  });

  test("is not read for a page of each topic where there are many", async () => {
    await using schema = await openSchema();
    const many = Array.from({ length: 300 }, (_, n) => `many.${n}`);
    await schema.sql`
      INSERT INTO events SELECT 'many.' || n % 300, gen_random_uuid(),
        '2026-01-01'::timestamptz + n * interval '1 second', 's', '{}', now(), 0, n FROM generate_series(1, 30000) n`;
    await schema.sql`ANALYZE events`;
    const partitions = (await partsOfIndex(schema)).size;
    for (const mode of ["force_custom_plan", "force_generic_plan"]) {
      for (const [order, place] of [
        ["desc", NEWEST],
        ["asc", OLDEST],
      ] as const) {
        const statement = pageStatement("topics", { ...EVERYTHING, order }).text;
        const nodes = await readers(schema, statement, `'${JSON.stringify(many)}', ${place}, ${REST}`, mode);
        // A key of each topic, and of the topics that are on the page its rows; no 51 rows of each of 300.
        expect(rowsRead(nodes)).toBeLessThanOrEqual((300 + 2 * 51) * (1 + partitions));
      }
    }
  });

  test("is walked by filters too, in order: what is common ends the walk early, time bounds what is rare", async () => {
    await using schema = await openSchema();
    await fill(schema);
    const index = await partsOfIndex(schema);
    const since = "2026-01-01T01:20:00Z";
    const looksAt = async (shape: "topic" | "topics", filter: Partial<EventsQuery>, mode: string) => {
      const { text, values } = pageStatement(shape, { ...EVERYTHING, ...filter });
      const quoted = values.map((value) => `, '${value}'`).join("");
      const parameters = `${shape === "topic" ? "'plan.b'" : ALL}, ${NEWEST}, ${REST}${quoted}`;
      const nodes = await readers(schema, text, parameters, mode);
      const scans = nodes.map((node) => `${node["Node Type"]} ${index.has(node["Index Name"] ?? "")}`);
      expect(new Set(scans)).toEqual(new Set(["Index Scan true"]));
      return nodes.reduce((total, node) => {
        const { "Actual Rows": kept = 0, "Actual Loops": loops = 0, "Rows Removed by Filter": removed = 0 } = node;
        return total + (kept + removed) * loops;
      }, 0);
    };
    for (const mode of ["force_custom_plan", "force_generic_plan"]) {
      for (const [shape, topics] of [
        ["topic", 1],
        ["topics", TOPICS.length],
      ] as const) {
        const most = 60 * topics + index.size * topics;
        for (const common of [{ source: "s" }, { contains: ["{}"] }, { text: "{" }]) {
          expect(await looksAt(shape, common, mode)).toBeLessThanOrEqual(most);
        }
        const rare = { source: "none", contains: ['{"a":1}'], text: "rare" };
        expect(await looksAt(shape, rare, mode)).toBe(ROWS_A_TOPIC * topics);
        // Of 5,000 seconds the last 200.
        expect(await looksAt(shape, { ...rare, since }, mode)).toBeLessThanOrEqual(201 * topics);
      }
    }
  });
});
