/** `POST /v1/logs`, with OpenTelemetry's own exporters, unmodified. */
import { describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { SeverityNumber } from "@opentelemetry/api-logs";
import { OTLPLogExporter as JsonExporter } from "@opentelemetry/exporter-logs-otlp-http";
import { OTLPLogExporter as ProtobufExporter } from "@opentelemetry/exporter-logs-otlp-proto";
import { resourceFromAttributes } from "@opentelemetry/resources";
import { BatchLogRecordProcessor, LoggerProvider, type LogRecordExporter } from "@opentelemetry/sdk-logs";
import { BODY_EXPONENTS_SUM_MAX } from "@sekali/contract";
import { StatusSchema } from "../../src/ingest/otlp/generated/google/rpc/status_pb.js";
import {
  ExportLogsServiceRequestSchema,
  ExportLogsServiceResponseSchema,
} from "../../src/ingest/otlp/generated/opentelemetry/proto/collector/logs/v1/logs_service_pb.js";
import { expectProblem, useTarget } from "../black-box/target.ts";
import { AggregatorProcess } from "../harness/aggregator-process.ts";
import { freshTopic, uuid } from "../harness/event-factory.ts";
import { eventually } from "../harness/eventually.ts";
import { request } from "../harness/http-client.ts";
import { openStack } from "../harness/stack.ts";

const target = useTarget();

const PROTOBUF = { "content-type": "application/x-protobuf" };
const JSON_TYPE = { "content-type": "application/json" };
const EXPORT_MS_MAX = 30_000;

interface Sent {
  readonly uid?: string;
  readonly body?: string;
  /** Its numbers are more than an event may hold. */
  readonly isUnkept?: boolean;
}

const HUGE = { value: { case: "doubleValue" as const, value: 1e308 } };
const HUGES = new Array(Math.ceil(BODY_EXPONENTS_SUM_MAX / 308)).fill(HUGE) as (typeof HUGE)[];

function protobufOf(service: string, records: readonly Sent[]): Uint8Array<ArrayBuffer> {
  const text = (key: string, value: string) => ({ key, value: { value: { case: "stringValue" as const, value } } });
  const message = create(ExportLogsServiceRequestSchema, {
    resourceLogs: [
      {
        resource: { attributes: [text("service.name", service)] },
        scopeLogs: [
          {
            logRecords: records.map(({ uid, body = "hello", isUnkept = false }) => ({
              timeUnixNano: 1_544_712_660_300_000_000n,
              severityNumber: SeverityNumber.WARN,
              body: isUnkept
                ? { value: { case: "arrayValue" as const, value: { values: HUGES } } }
                : { value: { case: "stringValue" as const, value: body } },
              attributes: uid === undefined ? [] : [text("log.record.uid", uid)],
            })),
          },
        ],
      },
    ],
  });
  return new Uint8Array(toBinary(ExportLogsServiceRequestSchema, message));
}

async function send(body: string | Uint8Array<ArrayBuffer>, headers: Record<string, string>, url = target.url) {
  return await request(`${url}/v1/logs`, { method: "POST", headers, body });
}

async function statusOf(response: Response) {
  return fromBinary(StatusSchema, new Uint8Array(await response.arrayBuffer()));
}

/** A provider as an application sets it up; it emits records with and without an identity. */
function emitThrough(exporter: LogRecordExporter, service: string, count: number): LoggerProvider {
  const provider = new LoggerProvider({
    resource: resourceFromAttributes({ "service.name": service }),
    processors: [new BatchLogRecordProcessor({ exporter, exportTimeoutMillis: EXPORT_MS_MAX })],
  });
  const logger = provider.getLogger("test", "1.0");
  for (let index = 0; index < count; index += 1) {
    logger.emit({
      severityNumber: SeverityNumber.INFO,
      body: `record ${index}`,
      attributes: { index, "log.record.uid": uuid() },
    });
  }
  return provider;
}

describe("the JavaScript SDK's exporters", () => {
  test.each([
    ["protobuf", ProtobufExporter, "none"],
    ["protobuf, gzip", ProtobufExporter, "gzip"],
    ["JSON", JsonExporter, "none"],
    ["JSON, gzip", JsonExporter, "gzip"],
  ] as const)("%s: every record is stored", async (_, Exporter, compression) => {
    const service = freshTopic("otel");
    const exporter = new Exporter({ url: `${target.url}/v1/logs`, compression } as ConstructorParameters<
      typeof ProtobufExporter
    >[0]);
    const provider = emitThrough(exporter, service, 50);
    await provider.forceFlush();
    const stored = await target.shows(`${service}.info`, 50);
    expect(stored[0]).toMatchObject({
      source: service,
      payload: { severity_number: 9, scope: { name: "test", version: "1.0" } },
    });
    expect(new Set(stored.map(({ payload }) => payload["body"])).size).toBe(50);
    await provider.shutdown();
  });

  test("retries through a restart, and each record is stored once", async () => {
    await using stack = await openStack();
    const first = await stack.start();
    const { url } = first;
    await first.kill();
    const service = freshTopic("otel");
    const provider = emitThrough(
      new ProtobufExporter({ url: `${url}/v1/logs`, timeoutMillis: EXPORT_MS_MAX }),
      service,
      100,
    );
    const flushed = provider.forceFlush();
    const again = await AggregatorProcess.spawn(stack.environment(), { name: "again", port: first.port });
    stack.aggregators.push(again);
    await again.ready();
    await flushed;
    await eventually(async () => {
      const [row] = await stack.sql<{ count: number }[]>`
        SELECT count(*)::int AS count FROM events WHERE topic = ${`${service}.info`}`;
      expect(row?.count).toBe(100);
    });
    await provider.shutdown();
  });
});

describe("replies, exactly as specified", () => {
  test("200 with the empty message, in the encoding of the request", async () => {
    const response = await send(protobufOf(freshTopic("s"), [{}]), PROTOBUF);
    expect(response.status).toBe(200);
    expect(response.headers.get("content-type")).toBe("application/x-protobuf");
    expect((await response.arrayBuffer()).byteLength).toBe(0);
    const json = await send('{"resourceLogs":[]}', JSON_TYPE);
    expect(json.headers.get("content-type")).toBe("application/json");
    expect(await json.text()).toBe("{}");
  });

  test("partial_success says how many were rejected, and the others are stored", async () => {
    const service = freshTopic("s");
    const response = await send(protobufOf(service, [{}, { isUnkept: true }, {}]), PROTOBUF);
    expect(response.status).toBe(200);
    const { partialSuccess } = fromBinary(
      ExportLogsServiceResponseSchema,
      new Uint8Array(await response.arrayBuffer()),
    );
    expect(partialSuccess?.rejectedLogRecords).toBe(1n);
    expect(partialSuccess?.errorMessage).toContain("/1/payload/body");
    await target.shows(`${service}.warn`, 2);
  });

  test("400 as google.rpc.Status for what is no request, and where nothing can be kept", async () => {
    for (const bad of ["nonsense \u0007", "\u000a\u00ff\u00ff\u00ff\u00ff"]) {
      const response = await send(bad, PROTOBUF);
      expect({ status: response.status, type: response.headers.get("content-type") }).toEqual({
        status: 400,
        type: "application/x-protobuf",
      });
      expect((await statusOf(response)).code).toBe(3);
    }
    const json = await send('{"resourceLogs":3}', JSON_TYPE);
    expect({ status: json.status, type: json.headers.get("content-type") }).toEqual({
      status: 400,
      type: "application/json",
    });
    expect(await json.json()).toMatchObject({ code: 3, message: expect.stringContaining("resource_logs from JSON") });
    const nothing = await send(protobufOf(freshTopic("s"), [{ isUnkept: true }]), PROTOBUF);
    expect(nothing.status).toBe(400);
    expect((await statusOf(nothing)).message).toContain("/0/payload/body");
  });

  test("400 for a body that is not what its coding says, 413 for one that is too large, both as Status", async () => {
    const cut = gzipSync(protobufOf(freshTopic("s"), [{}])).subarray(0, -3);
    const headers = { ...PROTOBUF, "content-encoding": "gzip" };
    const damaged = await send(new Uint8Array(cut), headers);
    expect({ status: damaged.status, code: (await statusOf(damaged)).code }).toEqual({ status: 400, code: 3 });
    const bomb = await send(new Uint8Array(gzipSync(Buffer.alloc(64 * 1024 * 1024))), headers);
    expect(bomb.status).toBe(413);
    expect(bomb.headers.get("content-type")).toBe("application/x-protobuf");
  });

  test("413 for a resource that its records would multiply", async () => {
    const service = "s".repeat(100_000);
    const response = await send(
      protobufOf(
        service,
        Array.from({ length: 1_000 }, () => ({})),
      ),
      PROTOBUF,
    );
    expect(response.status).toBe(413);
  });

  test("413 for millions of empty records, before one of them is made", async () => {
    const field = (tag: number, body: Uint8Array) => {
      const length: number[] = [];
      for (let rest = body.length; ; rest = Math.floor(rest / 128)) {
        if (rest < 128) return Buffer.concat([Buffer.from([tag, ...length, rest]), body]);
        length.push((rest % 128) + 128);
      }
    };
    const records = Buffer.alloc(5_000_000, Buffer.from([0x12, 0x00]));
    const bomb = gzipSync(field(0x0a, field(0x12, records)));
    const response = await send(new Uint8Array(bomb), { ...PROTOBUF, "content-encoding": "gzip" });
    expect({ status: response.status, message: (await statusOf(response)).message }).toEqual({
      status: 413,
      message: expect.stringContaining("records, attributes and values"),
    });
  });

  test("415 for another content type; Accept names what is taken", async () => {
    const response = await send("{}", { "content-type": "text/plain" });
    expect(response.headers.get("accept")).toBe("application/x-protobuf, application/json");
    await expectProblem(response, 415);
  });

  test("503 with Retry-After, as Status, when the queue is full", async () => {
    await using stack = await openStack({
      env: { QUEUE_EVENTS_MAX: "10", BATCH_EVENTS_MAX: "10", SHARDS: "1", ROLES: "api" },
    });
    const { url } = await stack.start();
    const eight = () =>
      protobufOf(
        freshTopic("s"),
        Array.from({ length: 8 }, () => ({})),
      );
    expect((await send(eight(), PROTOBUF, url)).status).toBe(200);
    const response = await send(eight(), PROTOBUF, url);
    expect(response.status).toBe(503);
    expect(response.headers.get("retry-after")).toBe("1");
    expect(await statusOf(response)).toMatchObject({ code: 14 });
  });
});

test("more records than a batch may hold become several batches", async () => {
  const service = freshTopic("s");
  const records = Array.from({ length: 12_000 }, () => ({ uid: uuid() }));
  // A busy machine may refuse so many at once; they have identities, so they can be sent again.
  await eventually(async () => expect((await send(protobufOf(service, records), PROTOBUF)).status).toBe(200));
  await eventually(async () => {
    const stats = await target.stats();
    expect(stats.queued).toBe(0);
  });
  const first = await target.page(`${service}.warn`, "&limit=1000");
  expect(first.events.length).toBe(1000);
});

test("log.record.uid makes a retry a duplicate, by both encodings; content does if one wants", async () => {
  await using stack = await openStack({ env: { OTLP_IDENTITY: "content" } });
  const { url } = await stack.start();
  const uid = uuid();
  const json = JSON.stringify({
    resourceLogs: [
      {
        resource: { attributes: [{ key: "service.name", value: { stringValue: "shop" } }] },
        scopeLogs: [
          {
            logRecords: [
              {
                timeUnixNano: "1544712660300000000",
                severityNumber: 13,
                body: { stringValue: "hello" },
                attributes: [{ key: "log.record.uid", value: { stringValue: uid.toUpperCase() } }],
              },
            ],
          },
        ],
      },
    ],
  });
  await send(protobufOf("shop", [{ uid }, {}]), PROTOBUF, url);
  await send(protobufOf("shop", [{ uid }, {}, { body: "another" }]), PROTOBUF, url);
  await send(json, JSON_TYPE, url);
  await eventually(async () => {
    const stats = (await (await request(`${url}/stats`)).json()) as Record<string, number>;
    expect(stats).toMatchObject({ received: 6, unique_processed: 3, duplicate_dropped: 3, queued: 0 });
  });
});
