/** `GET /duplicates`, and what `/stats` says of them: what was dropped, from whom, and whether it said the same. */
import { expect, test } from "bun:test";
import { freshTopic, makeEvent, type TestEvent } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { expectProblem, useTarget } from "./target.ts";

const target = useTarget();

interface Dropped {
  readonly topic: string;
  readonly event_id: string;
  readonly source: string;
  readonly received_at: string;
  readonly shard: number;
  readonly seq: number;
  readonly conflict: boolean | null;
  readonly timestamp?: string;
  readonly payload?: unknown;
}

interface Resending {
  readonly since: string;
  readonly sources: readonly { readonly source: string; readonly duplicates: number }[];
}

async function page(path: string): Promise<{ rows: Dropped[]; text: string; next: string | undefined }> {
  const response = await request(new URL(path, target.url).href);
  const text = await response.text();
  expect([response.status, response.headers.get("content-type")]).toEqual([200, "application/json"]);
  const next = /<([^>]*)>;\s*rel="?next"?/.exec(response.headers.get("link") ?? "")?.[1];
  return { rows: JSON.parse(text) as Dropped[], text, next };
}

/** Follows the pages to their end. */
async function all(query: string): Promise<Dropped[]> {
  const seen: Dropped[] = [];
  for (let next: string | undefined = `/duplicates?${query}`; next !== undefined; ) {
    const found = await page(next);
    seen.push(...found.rows);
    next = found.next;
  }
  return seen;
}

/** Waits until all that was dropped has been judged. */
async function judged(topic: string, count: number): Promise<Dropped[]> {
  return await eventually(async () => {
    const rows = await all(`topic=${encodeURIComponent(topic)}&limit=1000`);
    expect(rows).toHaveLength(count);
    expect(rows.filter(({ conflict }) => conflict === null)).toEqual([]);
    return rows;
  });
}

async function send(...events: TestEvent[]): Promise<void> {
  for (const event of events) await target.publisher.publishStored([event]);
}

test("each dropped delivery is there, newest first, and a conflict says what it said", async () => {
  const topic = freshTopic();
  const event = makeEvent({ topic, source: "first", payload: { n: 1 } });
  const before = (await target.stats()).duplicate_dropped;
  await send(event, event, { ...event, source: "second", payload: { n: 2 } });
  const [conflict, same] = await judged(topic, 2);
  expect(conflict).toMatchObject({
    topic,
    event_id: event.event_id,
    conflict: true,
    source: "second",
    payload: { n: 2 },
  });
  expect(same).toMatchObject({ topic, event_id: event.event_id, conflict: false, source: "first" });
  expect(Object.keys(same ?? {})).not.toContain("payload");
  expect(Date.parse(conflict?.received_at ?? "")).toBeGreaterThanOrEqual(Date.parse(same?.received_at ?? ""));
  expect((await target.stats()).duplicate_dropped).toBeGreaterThanOrEqual(before + 2);
});

test("filters narrow, and together narrow further", async () => {
  const topic = freshTopic();
  const source = `source of ${topic}`;
  const event = makeEvent({ topic: `${topic}.a`, source });
  const deeper = makeEvent({ topic: `${topic}.a.b`, source });
  await send(event, event, { ...event, source: "another" }, deeper, deeper);
  await judged(`${topic}.>`, 3);
  const counts = async (query: string) => (await all(query)).length;
  expect(await counts(`topic=${topic}.*`)).toBe(2);
  expect(await counts(`topic=${topic}.a`)).toBe(2);
  expect(await counts(`topic=${topic}`)).toBe(0);
  expect(await counts(`event_id=${event.event_id.toUpperCase()}`)).toBe(2);
  expect(await counts(`event_id=${event.event_id}&source=another`)).toBe(1);
  expect(await counts(`event_id=${event.event_id}&topic=${topic}.a.b`)).toBe(0);
  expect(await counts(`topic=${topic}.%3E&source=another`)).toBe(1);
  expect(await counts(`topic=${topic}.%3E&conflict=true`)).toBe(1);
  expect(await counts(`topic=${topic}.%3E&conflict=false&source=${encodeURIComponent(source)}`)).toBe(2);
  expect(await counts(`topic=${topic}.%3E&until=2001-01-01T00:00:00Z`)).toBe(0);
  expect(await counts(`topic=${topic}.%3E&since=2001-01-01T00:00:00Z`)).toBe(3);
});

test("pages neither skip nor repeat", async () => {
  const topic = freshTopic();
  const event = makeEvent({ topic });
  await target.publisher.publishStored(Array.from({ length: 31 }, () => event));
  const rows = await all(`topic=${topic}&limit=4`);
  expect(new Set(rows.map(({ shard, seq }) => `${shard}-${seq}`)).size).toBe(30);
  expect(rows).toHaveLength(30);
});

test("numbers keep their digits", async () => {
  const topic = freshTopic();
  const event = makeEvent({ topic });
  await send(event);
  const body = JSON.stringify({ ...event, payload: { n: "N" } }).replace('"N"', "12345678901234567890.10");
  const response = await request(`${target.url}/publish?ack=stored`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body,
  });
  expect(response.status).toBe(200);
  await judged(topic, 1);
  expect((await page(`/duplicates?topic=${topic}`)).text).toContain("12345678901234567890.10");
});

test("/stats counts conflicts, and names those that resend most, most first", async () => {
  const topic = freshTopic();
  const source = `resender of ${topic}`;
  const event = makeEvent({ topic, source });
  const conflictsOf = async () => {
    const stats = (await target.stats()) as unknown as Record<string, Record<string, { conflicts: number }>>;
    return stats["topic_counts"]?.[topic]?.conflicts ?? 0;
  };
  await send(event, { ...event, payload: { other: true } });
  await eventually(async () => expect(await conflictsOf()).toBe(1));
  const resending = await eventually(async () => {
    const stats = (await target.stats()) as unknown as { resending: Resending };
    expect(stats.resending.sources.length).toBeWithin(1, 11);
    return stats.resending;
  });
  const counts = resending.sources.map(({ duplicates }) => duplicates);
  expect(counts).toEqual(counts.toSorted((a, b) => b - a));
  expect(Date.parse(resending.since)).toBeLessThanOrEqual(Date.now());
});

test.each([
  "topic=",
  "topic=a..b",
  "topic=a*",
  "topic=%3E.a",
  "source=",
  "since=yesterday",
  "until=2026-01-01T00:00:00",
  "until=2025-02-30T00:00:00Z",
  "event_id=1",
  "conflict=maybe",
  "conflict=",
  "limit=0",
  "limit=1001",
  "cursor=nonsense",
  "cursor=WyJhIiwiYiIsImMiXQ",
  "conflict=true&conflict=true",
  "event=1",
])("GET /duplicates?%s is refused with a reason", async (query) => {
  const response = await request(`${target.url}/duplicates?${query}`);
  await expectProblem(response, 422);
});

test("only reading is possible", async () => {
  const response = await request(`${target.url}/duplicates`, { method: "DELETE" });
  await expectProblem(response, 405);
  expect(response.headers.get("allow")).toContain("GET");
});
