/** `/events` as NDJSON: all of it, in bounded memory, at the client's pace, never a part that looks like a whole. */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { useBackingServers } from "../harness/backing-servers.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { openStack, type Stack } from "../harness/stack.ts";

useBackingServers();

const TOPICS = 3;
const ROWS = 100_000;
const PAGE_ROWS = 1000;
const PAYLOAD_BYTES = 640;
const MIB = 1024 * 1024;
const NDJSON = { accept: "application/x-ndjson" };

let stack: Stack;

beforeAll(async () => {
  stack = await openStack();
  await stack.start();
  // Straight into the tables: what is read is under test, not how it came there.
  await stack.sql`
    INSERT INTO events SELECT 'stream.t' || n % ${TOPICS}::int, gen_random_uuid(),
      '2026-01-01'::timestamptz + n / 7 * interval '1 millisecond', 's',
      jsonb_build_object('n', n, 'text', repeat(md5(n::text), ${PAYLOAD_BYTES / 32}::int)), now(), 0, n
    FROM generate_series(1, ${ROWS}::int) n`;
  await stack.sql`
    INSERT INTO counters SELECT 0, 'stream.t' || n, 1, 0, 0 FROM generate_series(0, ${TOPICS - 1}::int) n`;
  await stack.sql`VACUUM ANALYZE events`;
});
afterAll(async () => await stack[Symbol.asyncDispose]());

function residentBytes(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) * 1024;
}

function stream(query: string): Promise<Response> {
  return request(`${stack.url}/events?${query}`, { headers: NDJSON, signal: AbortSignal.timeout(100_000) });
}

interface Reading {
  readonly ids: string[];
  readonly instants: number[];
  /** Of the aggregator, at its greatest while it was read from. */
  readonly residentMax: number;
}

async function readAll(response: Response, pid: number): Promise<Reading> {
  expect(response.status).toBe(200);
  expect(response.headers.get("content-type")).toBe("application/x-ndjson");
  if (response.body === null) throw new Error("there is no body");
  const ids: string[] = [];
  const instants: number[] = [];
  let residentMax = 0;
  let rest = "";
  for await (const chunk of response.body.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop() ?? "";
    for (const line of lines) {
      const { event_id, timestamp } = JSON.parse(line) as { event_id: string; timestamp: string };
      ids.push(event_id);
      instants.push(Date.parse(timestamp));
    }
    residentMax = Math.max(residentMax, residentBytes(pid));
  }
  expect(rest).toBe("");
  return { ids, instants, residentMax };
}

function pid(): number {
  const aggregator = stack.aggregators.at(-1);
  if (aggregator === undefined) throw new Error("nothing runs");
  return aggregator.pid;
}

/** A client that has asked and reads no more than its system buffers for it. */
async function openPaused(query: string): Promise<Socket> {
  const { hostname, port } = new URL(stack.url);
  const socket = connect({ host: hostname, port: Number(port) });
  socket.on("error", () => undefined);
  socket.pause();
  socket.write(`GET /events?${query} HTTP/1.1\r\nhost: test\r\naccept: application/x-ndjson\r\n\r\n`);
  const { promise, resolve } = Promise.withResolvers<void>();
  socket.once("readable", () => resolve());
  await promise;
  return socket;
}

/** How many pages the service has asked Postgres for since this was called. */
function countPages(): { count(): number; end(): void } {
  let pages = 0;
  const end = stack.postgresLink.watch(({ direction, text }) => {
    // A Bind message whose parameters hold the rows of a stream's page; a large page is asked for once more, rendered.
    const isPage = text.includes(`${PAGE_ROWS + 1}`) && text.includes("false");
    if (direction === "request" && text.startsWith("B") && isPage) pages += 1;
  });
  return { count: () => pages, end };
}

test("everything that matches comes once, in order, in memory that does not grow with it", async () => {
  await readAll(await stream("limit=5000"), pid());
  const before = residentBytes(pid());
  const { ids, instants, residentMax } = await readAll(await stream("topic=stream.*&order=asc"), pid());
  expect(ids.length).toBe(ROWS);
  expect(new Set(ids).size).toBe(ROWS);
  expect(instants.every((instant, index) => instant >= (instants[index - 1] ?? 0))).toBe(true);
  // The reply is some 85 MB; all of it held once, as text or as bytes, would show.
  expect(residentMax - before).toBeLessThan(80 * MIB);
});

test("limit and filters hold for streams too, and no match is an empty stream", async () => {
  expect((await readAll(await stream("topic=stream.t1&limit=2500"), pid())).ids.length).toBe(2500);
  expect((await readAll(await stream("payload.n=77"), pid())).ids.length).toBe(1);
  expect((await readAll(await stream("topic=none"), pid())).ids.length).toBe(0);
  for (const refused of ["limit=0", "limit=1000000001", "topic=a*"]) {
    expect((await stream(refused)).status).toBe(422);
  }
});

test("a client that does not read is not read for", async () => {
  const pages = countPages();
  const paused = await openPaused("topic=stream.*");
  const whole = await readAll(await stream("topic=stream.*"), pid());
  expect(whole.ids.length).toBe(ROWS);
  // As long as the other one took, this one got what its system buffers.
  expect(pages.count()).toBeGreaterThanOrEqual(ROWS / PAGE_ROWS);
  expect(pages.count()).toBeLessThan((ROWS / PAGE_ROWS) * 1.5);
  pages.end();
  paused.destroy();
});

test("streams are bounded in number, and a client that goes away makes room", async () => {
  const paused: Socket[] = [];
  for (let n = 0; n < 8; n += 1) paused.push(await openPaused("topic=stream.*"));
  const refused = await stream("limit=1");
  expect([refused.status, refused.headers.get("retry-after")]).toEqual([503, "2"]);
  expect(((await refused.json()) as { type: string }).type).toBe("urn:sekali:problem:busy");
  expect((await request(`${stack.url}/events?limit=1`)).status).toBe(200);
  for (const socket of paused) socket.destroy();
  await eventually(
    async () => {
      const response = await stream("limit=1");
      await response.text();
      expect(response.status).toBe(200);
    },
    { what: "room for another stream" },
  );
});

test("a stream that fails midway ends without an end: no client takes it for the whole", async () => {
  const response = await stream("topic=stream.*");
  const reader = response.body?.getReader();
  await reader?.read();
  stack.postgresLink.refuse();
  const rest = async () => {
    for (;;) {
      const part = await reader?.read();
      if (part?.done !== false) return "looks complete";
    }
  };
  expect(await rest().catch(() => "broken off")).toBe("broken off");
  await stack.aggregators.at(-1)?.logged(/Stream of events broken off/);
  stack.postgresLink.heal();
  // A query that was under way when the link broke may meet its deadline first (P5).
  const again = await eventually(async () => {
    const answer = await stream("topic=stream.t0&limit=3000");
    expect(answer.status).toBe(200);
    return answer;
  });
  expect((await readAll(again, pid())).ids.length).toBe(3000);
});

test("HEAD opens no stream", async () => {
  for (let n = 0; n < 20; n += 1) {
    const response = await request(`${stack.url}/events`, { method: "HEAD", headers: NDJSON });
    expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/x-ndjson"]);
  }
  expect((await readAll(await stream("limit=1"), pid())).ids.length).toBe(1);
});

test("a query that takes too long is 503 with what to do, and publishing goes on meanwhile", async () => {
  const connection = await stack.sql.reserve();
  await connection.unsafe("BEGIN; LOCK TABLE events IN ACCESS EXCLUSIVE MODE");
  const searches = ["q=x", "topic=stream.t1", "source=s"].map((query) => request(`${stack.url}/events?${query}`));
  const event = { topic: "late", event_id: crypto.randomUUID(), timestamp: "2026-01-01T00:00:00Z", source: "s" };
  const published = await request(`${stack.url}/publish`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ ...event, payload: {} }),
  });
  expect(published.status).toBe(200);
  for (const response of await Promise.all(searches)) {
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "2"]);
    const problem = (await response.json()) as { type: string; detail: string };
    expect(problem.type).toBe("urn:sekali:problem:too-slow");
    expect(problem.detail).toContain("`since`");
  }
  await connection.unsafe("ROLLBACK");
  connection.release();
  expect((await request(`${stack.url}/events?q=x&topic=none`)).status).toBe(200);
});
