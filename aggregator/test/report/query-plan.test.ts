/** The report's test that the query uses an index: judged by Postgres's plan for the service's own statement. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { useBackingServers } from "../harness/backing-servers.ts";
import { batchesOf, makeEvents } from "../harness/event-factory.ts";
import { request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();
let stack: Stack;

beforeAll(async () => {
  stack = await openStack();
  await stack.start();
  const topics = ["plan.a", "plan.b", "plan.c", "plan.d"];
  const events = topics.flatMap((topic) => makeEvents(2_000, { topic }));
  await stack.publisher.publishAll(batchesOf(events, 1_000));
  await stack.expectExact();
  await stack.sql`VACUUM ANALYZE events`;
});
afterAll(async () => await stack[Symbol.asyncDispose]());

/** The statement's text in a Parse message: type, length, name, NUL, text, NUL. */
function parsedStatement(text: string): string | undefined {
  if (!text.startsWith("P")) return undefined;
  return text.slice(5).split("\0")[1];
}

/** The statements that the service sends while it answers a request. A restart makes it parse them anew. */
async function statementsOf(path: string): Promise<string[]> {
  const seen: string[] = [];
  const end = stack.postgresLink.watch(({ direction, text }) => {
    const statement = direction === "request" ? parsedStatement(text) : undefined;
    if (statement !== undefined) seen.push(statement);
  });
  await stack.aggregators.at(-1)?.terminate();
  const aggregator = await stack.start();
  const response = await request(`${aggregator.url}${path}`);
  expect(response.status).toBe(200);
  await response.text();
  end();
  return seen.filter((statement) => /\bFROM\s+events\b/i.test(statement) && /\btopic\s*=/i.test(statement));
}

async function planOf(statement: string): Promise<string> {
  const rows = await stack.sql.unsafe(`EXPLAIN (GENERIC_PLAN, COSTS OFF) ${statement}`).simple();
  return rows.map((row) => String(row["QUERY PLAN"])).join("\n");
}

test("index used by the query: /events of a topic, first page and next", async () => {
  const first = await statementsOf("/events?topic=plan.b&limit=10");
  expect(first.length).toBeGreaterThan(0);
  const page = await request(`${stack.url}/events?topic=plan.b&limit=10`);
  const next = /<([^>]*)>/.exec(page.headers.get("link") ?? "")?.[1];
  const following = await statementsOf(next ?? "");
  expect(following.length).toBeGreaterThan(0);
  for (const statement of [...first, ...following]) {
    const plan = await planOf(statement);
    expect(plan).toMatch(/Index (Only )?Scan using \S+/);
    // Neither a walk over the rows of all topics nor a sort of all rows of one.
    expect(plan).not.toMatch(/Seq Scan on events_from/);
    expect(plan).not.toMatch(/^\s*(->)?\s*Sort$/m);
  }
});

test("deduplication is judged by the unique index over event_id and topic (P2)", async () => {
  const plan = await planOf("SELECT FROM identities WHERE event_id = $1 AND topic = $2");
  expect(plan).toMatch(/Index (Only )?Scan using identities_once/);
  const copy = stack.sql`INSERT INTO identities SELECT * FROM identities LIMIT 1`;
  expect(await copy.catch((error: { code?: string }) => error.code)).toBe("23505");
});
