/** `GET /metrics`: the same numbers as `/stats`, names by the conventions, and an answer whatever is away. */
import { afterEach, describe, expect, test } from "bun:test";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { BODY_EXPONENTS_SUM_MAX } from "@sekali/contract";
import { useBackingServers } from "../harness/backing-servers.ts";
import { Authority, writeCertificate } from "../harness/certificates.ts";
import { batchesOf, makeEvent, makeEvents } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { post, request } from "../harness/http-client.ts";
import { type Exposition, metricsOf } from "../harness/metrics.ts";
import { openStack, type Stack } from "../harness/stack.ts";
import { drained } from "../harness/stats-watch.ts";

useBackingServers();
let stack: Stack;
afterEach(async () => await stack[Symbol.asyncDispose]());

/** What `/stats` says, by the metric that says the same. */
const SAME_AS_STATS = {
  unique_processed: "sekali_stored_events_total",
  duplicate_dropped: "sekali_dropped_duplicates_total",
  conflicts: "sekali_conflicts_total",
  dead_lettered: "sekali_dead_lettered_deliveries_total",
  dead_letters_open: "sekali_open_dead_letter_deliveries",
  lost: "sekali_lost_deliveries_total",
  queued: "sekali_queued_deliveries",
};

/** Eventually: what was read for one scrape is good for the next ones of half a second. */
async function expectSameAsStats(url: string): Promise<Exposition> {
  await drained(() => url);
  return await eventually(async () => {
    const stats = (await (await request(`${url}/stats`)).json()) as Record<string, number>;
    const metrics = await metricsOf(url);
    const shown = Object.entries(SAME_AS_STATS).map(([field, name]) => [field, metrics.sum(name)]);
    expect(Object.fromEntries(shown)).toEqual(
      Object.fromEntries(Object.keys(SAME_AS_STATS).map((field) => [field, stats[field]])),
    );
    return metrics;
  });
}

const send = (path: string, type: string, body: string, headers: Record<string, string> = {}) =>
  request(`${stack.url}${path}`, { method: "POST", body, headers: { "content-type": type, ...headers } });

test("P3: the counts are those of /stats, in each process, and each way in is counted", async () => {
  stack = await openStack();
  const first = await stack.start();
  const second = await stack.start();
  const events = makeEvents(30);
  const [event = makeEvent()] = events;
  expect((await post(`${second.url}/publish`, events)).status).toBe(200);
  expect((await post(`${second.url}/publish`, events.slice(0, 10))).status).toBe(200);
  expect((await post(`${second.url}/publish`, { ...event, payload: { other: true } })).status).toBe(200);
  const lines = makeEvents(7).map((each) => JSON.stringify(each));
  expect((await send("/publish", "application/x-ndjson", lines.join("\n"))).status).toBe(200);
  const cloudEvent = { "ce-specversion": "1.0", "ce-type": "a.b", "ce-source": "s", "ce-id": "1" };
  expect((await send("/cloudevents", "application/json", "{}", cloudEvent)).status).toBe(200);
  const record = { body: { stringValue: "hello" }, severityNumber: 9 };
  const logs = { resourceLogs: [{ scopeLogs: [{ logRecords: [record, record] }] }] };
  expect((await send("/v1/logs", "application/json", JSON.stringify(logs))).status).toBe(200);

  const metrics = await expectSameAsStats(second.url);
  await expectSameAsStats(first.url);
  const ways = { json: 41, lines: 7, cloudevents: 1, otlp: 2, replay: 0 };
  for (const [way, count] of Object.entries(ways)) {
    expect(metrics.sum("sekali_acknowledged_deliveries_total", { way })).toBe(count);
  }
  expect(metrics.sum("sekali_acknowledgement_duration_seconds_count")).toBe(6);
  expect(metrics.sum("sekali_entry_deliveries_sum")).toBe(51);
  const [one, two] = [await metricsOf(first.url), metrics];
  const ofBoth = (name: string) => (one.sum(name) ?? 0) + (two.sum(name) ?? 0);
  expect(ofBoth("sekali_transaction_deliveries_sum")).toBe(51);
  expect(ofBoth("sekali_commit_delay_seconds_count")).toBe(metrics.sum("sekali_entry_deliveries_count") ?? 0);
});

test("what waits is told by shard, with the age of the oldest delivery", async () => {
  stack = await openStack({ env: { ROLES: "api" } });
  const { url } = await stack.start();
  for (const batch of batchesOf(makeEvents(20), 5)) expect((await post(`${url}/publish`, batch)).status).toBe(200);
  await eventually(async () => {
    const metrics = await metricsOf(url);
    expect(metrics.sum("sekali_queued_deliveries")).toBe(20);
    const ages = ["0", "1"].map((shard) => metrics.sum("sekali_oldest_queued_delivery_age_seconds", { shard }) ?? 0);
    expect(Math.max(...ages)).toBeGreaterThan(0.2);
    expect(Math.max(...ages)).toBeLessThan(60);
  });
  await stack.start({ ROLES: "worker" });
  await eventually(async () => {
    const metrics = await metricsOf(url);
    expect(metrics.sum("sekali_queued_deliveries")).toBe(0);
    expect(metrics.sum("sekali_oldest_queued_delivery_age_seconds")).toBe(0);
  });
});

test("every metric has its words, a name by the conventions, and labels that no sender chooses", async () => {
  stack = await openStack();
  const { url } = await stack.start();
  const before = (await metricsOf(url)).samples.length;
  const events = makeEvents(200).map((event, index) => ({ ...event, topic: `t${index}`, source: `s${index}` }));
  expect((await post(`${url}/publish`, events)).status).toBe(200);
  const metrics = await eventually(async () => {
    const now = await metricsOf(url);
    expect(now.sum("sekali_topics")).toBe(200);
    return now;
  });
  for (const name of ["process_cpu_seconds_total", "process_resident_memory_bytes", "nodejs_heap_size_used_bytes"]) {
    expect(metrics.sum(name)).toBeGreaterThan(0);
  }
  // Routes and ends that were not there before, but nothing for each topic or source.
  expect(metrics.samples.length - before).toBeLessThan(60);
  for (const { name, value } of metrics.samples) {
    const metric = metrics.metricOf(name);
    expect(metrics.helps.get(metric)).toMatch(/^[A-Z1].+\.$/);
    expect(metric).toMatch(/^(sekali|process|nodejs)_[a-z0-9_]+$/);
    expect(metric.endsWith("_total")).toBe(metrics.types.get(metric) === "counter");
    expect(value).not.toBeNaN();
  }
});

test("as OpenMetrics where that is asked for, again and again, and as text otherwise", async () => {
  stack = await openStack();
  const { url } = await stack.start();
  const prometheus =
    "application/openmetrics-text;version=1.0.0,application/openmetrics-text;version=0.0.1;q=0.75," +
    "text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
  for (const accept of [prometheus, undefined, prometheus, "*/*"]) {
    const response = await request(`${url}/metrics`, accept === undefined ? {} : { headers: { accept } });
    const text = await response.text();
    const isOpen = accept === prometheus;
    expect(response.headers.get("content-type")).toStartWith(isOpen ? "application/openmetrics-text" : "text/plain");
    expect(text.endsWith("\n# EOF\n")).toBe(isOpen);
    expect(text).toContain(`# TYPE sekali_stored_events${isOpen ? "" : "_total"} counter\n`);
    expect(text).toContain("\nsekali_stored_events_total 0\n");
  }
});

describe("while a dependency is away, the process says what it knows by itself", () => {
  test("Postgres: its counters are left out, not repeated", async () => {
    stack = await openStack();
    const { url } = await stack.start();
    await stack.publisher.publishStored(makeEvents(3));
    expect((await metricsOf(url)).sum("sekali_stored_events_total")).toBe(3);
    stack.postgresLink.stall("request", "reply");
    const metrics = await eventually(async () => {
      const now = await metricsOf(url);
      expect(now.sum("sekali_up", { dependency: "postgres" })).toBe(0);
      return now;
    });
    expect(metrics.sum("sekali_up", { dependency: "redis" })).toBe(1);
    for (const name of Object.values(SAME_AS_STATS)) expect(metrics.sum(name)).toBeUndefined();
    expect(metrics.sum("sekali_acknowledged_deliveries_total")).toBe(3);
    stack.postgresLink.heal();
    await eventually(async () => expect((await metricsOf(url)).sum("sekali_stored_events_total")).toBe(3));
  });

  test("Redis: what is stored is told, what is queued is not known; publishes are refused and counted", async () => {
    stack = await openStack();
    const { url } = await stack.start();
    await stack.publisher.publishStored(makeEvents(3));
    stack.redisLink.refuse();
    stack.redisLink.reset();
    const metrics = await eventually(async () => {
      expect((await post(`${url}/publish`, makeEvent())).status).toBe(503);
      const now = await metricsOf(url);
      expect(now.sum("sekali_up", { dependency: "redis" })).toBe(0);
      return now;
    });
    expect(metrics.sum("sekali_stored_events_total")).toBe(3);
    expect(metrics.sum("sekali_queued_deliveries")).toBeUndefined();
    expect(metrics.sum("sekali_refused_requests_total", { reason: "queue-away" })).toBeGreaterThan(0);
    expect(metrics.sum("sekali_open_shards")).toBe(0);
  });
});

test("refusals are counted by reason, whoever refuses", async () => {
  stack = await openStack();
  const { url } = await stack.start();
  await post(`${url}/publish`, "{");
  await post(`${url}/publish`, { topic: "a" });
  await post(`${url}/v1/logs`, "{");
  await request(`${url}/nowhere`);
  await request(`${url}/stats`, { method: "DELETE" });
  const metrics = await metricsOf(url);
  const reasons = { malformed: 2, unacceptable: 1, "not-found": 1, "method-not-allowed": 1 };
  for (const [reason, count] of Object.entries(reasons)) {
    expect(metrics.sum("sekali_refused_requests_total", { reason })).toBe(count);
  }
  expect(metrics.sum("sekali_http_request_duration_seconds_count", { route: "/publish" })).toBe(2);
});

test("OTLP's rejected records are counted by reason, though their request is answered well, and once", async () => {
  // Room for one batch, which nobody takes away.
  stack = await openStack({
    env: { ROLES: "api", TOPICS_MAX: "1", SHARDS: "1", BATCH_EVENTS_MAX: "6", QUEUE_EVENTS_MAX: "6" },
  });
  const { url } = await stack.start();
  const records = (service: string, ...bodies: (string | object)[]) => ({
    resource: { attributes: [{ key: "service.name", value: { stringValue: service } }] },
    scopeLogs: [{ logRecords: bodies.map(recordOf) }],
  });
  const recordOf = (body: string | object) => ({
    body: typeof body === "string" ? { stringValue: body } : body,
    severityNumber: 9,
  });
  const export_ = (...resourceLogs: object[]) => post(`${url}/v1/logs`, { resourceLogs });
  const huge = { doubleValue: 1e308 };
  const UNKEPT = { arrayValue: { values: new Array(Math.ceil(BODY_EXPONENTS_SUM_MAX / 308)).fill(huge) } };
  const partial = await export_(records("one", "a", UNKEPT, "b", "c"), records("two", "d", "e", UNKEPT));
  expect(await partial.json()).toMatchObject({ partialSuccess: { rejectedLogRecords: "4" } });
  expect((await export_(records("one", UNKEPT))).status).toBe(400);
  const counted = async () => {
    const metrics = await metricsOf(url);
    const rejected = (reason: string) => metrics.sum("sekali_rejected_log_records_total", { reason });
    return {
      acknowledged: metrics.sum("sekali_acknowledged_deliveries_total", { way: "otlp" }),
      rejected: ["unacceptable", "too-many-topics", "topic-not-covered"].map(rejected),
      refused: ["malformed", "overloaded"].map((reason) => metrics.sum("sekali_refused_requests_total", { reason })),
    };
  };
  expect(await counted()).toEqual({ acknowledged: 3, rejected: [3, 2, 0], refused: [1, 0] });
  // It will be sent again, with the record that can't be kept.
  expect((await export_(records("one", "f", "g", "h", "i", UNKEPT))).status).toBe(503);
  expect(await counted()).toEqual({ acknowledged: 3, rejected: [3, 2, 0], refused: [1, 1] });
});

test("docs/operations.md has each metric, with the words of its HELP", async () => {
  stack = await openStack();
  // A certificate, so that there is something to say of it.
  const files = writeCertificate(await (await Authority.make()).sign());
  const { url } = await stack.start({ TLS_CERT_FILE: files.certificate, TLS_KEY_FILE: files.key });
  rmSync(files.folder, { recursive: true });
  await post(`${url}/publish`, "{");
  await stack.publisher.publishStored(makeEvents(3));
  const metrics = await eventually(async () => {
    const now = await metricsOf(url);
    expect(now.sum("sekali_queued_deliveries")).toBe(0);
    return now;
  });
  const rows = [...metrics.types].map(([name, kind]) => {
    const ofIt = metrics.samples.filter((sample) => metrics.metricOf(sample.name) === name);
    const labels = new Set(ofIt.flatMap((sample) => Object.keys(sample.labels)).filter((label) => label !== "le"));
    const shown = [...labels].map((label) => `\`${label}\``).join(", ");
    return `| \`${name}\` | ${kind} | ${shown} | ${metrics.helps.get(name)} |`;
  });
  const page = await Bun.file(join(import.meta.dir, "../../../docs/operations.md")).text();
  const documented = page.split("\n").filter((line) => /^\| `(sekali|process|nodejs)_\w+` \|/.test(line));
  expect(documented.toSorted()).toEqual(rows.toSorted());
});
