import { describe, expect, test } from "bun:test";
import { create, type MessageInitShape, toBinary, toJsonString } from "@bufbuild/protobuf";
import { fillTopic, parseEventLine, topicTemplateFault } from "@sekali/contract";
import { decodeRequest, TooManyMessages } from "./codec.ts";
import { ExportLogsServiceRequestSchema } from "./generated/opentelemetry/proto/collector/logs/v1/logs_service_pb.js";
import type { AnyValueSchema, KeyValueSchema } from "./generated/opentelemetry/proto/common/v1/common_pb.js";
import type { LogRecordSchema } from "./generated/opentelemetry/proto/logs/v1/logs_pb.js";
import { type MappingSettings, RecordMapper } from "./mapping.ts";
import { severityName } from "./severity.ts";

const SETTINGS: MappingSettings = { topicTemplate: "{service.name}.{severity}", identity: "random" };
const ARRIVAL = new Date("2026-02-03T04:05:06.789Z");
const TRACE = new Uint8Array(16).fill(0xab);

type Attributes = MessageInitShape<typeof KeyValueSchema>[];

function text(key: string, value: string): Attributes[number] {
  return { key, value: { value: { case: "stringValue", value } } };
}

function requestOf(record: MessageInitShape<typeof LogRecordSchema>, resource: Attributes = []) {
  return create(ExportLogsServiceRequestSchema, {
    resourceLogs: [
      {
        resource: { attributes: [text("service.name", "shop.checkout"), ...resource] },
        scopeLogs: [{ scope: { name: "lib", version: "1.2" }, logRecords: [record] }],
      },
    ],
  });
}

function mapFirst(request: ReturnType<typeof decodeRequest>, settings = SETTINGS) {
  const [ofResource] = request.resourceLogs;
  const [ofScope] = ofResource?.scopeLogs ?? [];
  const [record] = ofScope?.logRecords ?? [];
  if (ofResource === undefined || ofScope === undefined || record === undefined) throw new Error("no record");
  return new RecordMapper(settings, ARRIVAL, ofResource, ofScope).map(record);
}

const FULL: MessageInitShape<typeof LogRecordSchema> = {
  timeUnixNano: 1_544_712_660_300_123_456n,
  observedTimeUnixNano: 1_544_712_661_000_000_000n,
  severityNumber: 10,
  severityText: "Information",
  eventName: "placed",
  traceId: TRACE,
  spanId: TRACE.subarray(0, 8),
  flags: 1,
  body: { value: { case: "stringValue", value: "héllo" } },
  attributes: [
    { key: "int", value: { value: { case: "intValue", value: 9_007_199_254_740_993n } } },
    { key: "nan", value: { value: { case: "doubleValue", value: Number.NaN } } },
    { key: "bytes", value: { value: { case: "bytesValue", value: new Uint8Array([0, 255]) } } },
    { key: "none" },
    {
      key: "list",
      value: { value: { case: "arrayValue", value: { values: [{ value: { case: "boolValue", value: false } }] } } },
    },
    { key: "map", value: { value: { case: "kvlistValue", value: { values: [text("a", "b")] } } } },
  ],
};

test("everything that a record says is in the payload, with its scope and its resource", () => {
  const mapped = mapFirst(requestOf(FULL, [text("host.name", "h1")]));
  expect(mapped).toMatchObject({
    topic: "shop.checkout.info",
    source: "shop.checkout",
    timestamp: "2018-12-13T14:51:00.300123Z",
  });
  expect(JSON.stringify(mapped.payload)).toBe(
    '{"body":"héllo","attributes":{"int":9007199254740993,"nan":"NaN","bytes":"AP8=","none":null,"list":[false],' +
      '"map":{"a":"b"}},"severity_number":10,"severity_text":"Information","event_name":"placed",' +
      `"trace_id":"${"ab".repeat(16)}","span_id":"${"ab".repeat(8)}","flags":1,` +
      '"time_unix_nano":"1544712660300123456","observed_time_unix_nano":"1544712661000000000",' +
      '"scope":{"name":"lib","version":"1.2"},' +
      '"resource":{"attributes":{"service.name":"shop.checkout","host.name":"h1"}}}',
  );
});

test("both encodings mean the same", () => {
  const request = requestOf(FULL);
  const json = JSON.parse(toJsonString(ExportLogsServiceRequestSchema, request)) as {
    resourceLogs: { scopeLogs: { logRecords: { traceId: string; spanId: string }[] }[] }[];
  };
  // OTLP's JSON has ids in hexadecimal, protobuf's in base64.
  const record = json.resourceLogs[0]?.scopeLogs[0]?.logRecords[0];
  Object.assign(record ?? {}, { traceId: "AB".repeat(16), spanId: "ab".repeat(8), unknownField: 1 });
  const settings = { ...SETTINGS, identity: "content" } as const;
  const fromJson = mapFirst(decodeRequest(Buffer.from(JSON.stringify(json)), "json", 1000), settings);
  const bytes = toBinary(ExportLogsServiceRequestSchema, request);
  expect(fromJson).toEqual(mapFirst(decodeRequest(bytes, "protobuf", 1000), settings));
});

test("JSON's 64-bit integers may be numbers, and keep their digits", () => {
  const json = `{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"timeUnixNano":1544712660300123456,
    "body":{"intValue":9007199254740993}}]}]}]}`;
  const mapped = mapFirst(decodeRequest(Buffer.from(json), "json", 1000));
  expect(JSON.stringify(mapped.payload["body"])).toBe("9007199254740993");
  expect(mapped.timestamp).toBe("2018-12-13T14:51:00.300123Z");
});

test("ids are hexadecimal by the fields' older names, too", () => {
  const json = `{"resource_logs":[{"scope_logs":[{"log_records":[
    {"trace_id":"${"AB".repeat(16)}","span_id":"${"ab".repeat(8)}"}]}]}]}`;
  const { payload } = mapFirst(decodeRequest(Buffer.from(json), "json", 1000));
  expect(payload).toMatchObject({ trace_id: "ab".repeat(16), span_id: "ab".repeat(8) });
});

test("half of a surrogate pair, as a limit of an attribute's length leaves it, stands as U+FFFD", () => {
  const value = { stringValue: "half a \u{1F600}".slice(0, -1) };
  const record = { body: value, attributes: [{ key: "cut", value }] };
  const json = JSON.stringify({ resourceLogs: [{ scopeLogs: [{ logRecords: [record] }] }] });
  const { payload } = mapFirst(decodeRequest(Buffer.from(json), "json", 1000));
  expect(payload).toMatchObject({ body: "half a \uFFFD", attributes: { cut: "half a \uFFFD" } });
});

test("NUL stands as U+FFFD wherever there is text, and is counted", () => {
  const record = { ...FULL, severityText: "a\0", body: text("", "\0b\0").value, attributes: [text("k\0", "v\0")] };
  const request = requestOf(record, [text("host\0", "h")]);
  const scope = request.resourceLogs[0]?.scopeLogs[0]?.scope;
  Object.assign(scope ?? {}, { name: "lib\0" });
  const mapped = mapFirst(request);
  expect(mapped.payload).toMatchObject({
    severity_text: "a\uFFFD",
    body: "\uFFFDb\uFFFD",
    attributes: { "k\uFFFD": "v\uFFFD" },
    scope: { name: "lib\uFFFD" },
    resource: { attributes: { "host\uFFFD": "h" } },
    nul_replaced: 7,
  });
  expect(parseEventLine(Buffer.from(JSON.stringify(mapped))).ok).toBe(true);
  expect(mapFirst(requestOf(FULL)).payload).not.toHaveProperty("nul_replaced");
});

test("every double is kept: as text where it is closer to 0 than a number of the contract", () => {
  const doubles = [Number.MIN_VALUE, -9e-309, 1e-308, Number.MAX_VALUE, Number.NEGATIVE_INFINITY, -0];
  const values = doubles.map((value) => ({ value: { case: "doubleValue" as const, value } }));
  const mapped = mapFirst(requestOf({ body: { value: { case: "arrayValue", value: { values } } } }));
  expect(mapped.payload["body"]).toEqual(["5e-324", "-9e-309", 1e-308, Number.MAX_VALUE, "-Infinity", -0]);
  expect(parseEventLine(Buffer.from(JSON.stringify(mapped))).ok).toBe(true);
});

test.each([
  ["an id that is not hexadecimal", '{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"traceId":"xyz"}]}]}]}'],
  ["a field of another type", '{"resourceLogs":{}}'],
  ["no object", "[]"],
])("bad JSON: %s", (_, json) => {
  expect(() => decodeRequest(Buffer.from(json), "json", 1000)).toThrow();
});

describe("time", () => {
  test("falls back to the observed time, then to the arrival", () => {
    expect(mapFirst(requestOf({ observedTimeUnixNano: 1_000n })).timestamp).toBe("1970-01-01T00:00:00.000001Z");
    expect(mapFirst(requestOf({})).timestamp).toBe("2026-02-03T04:05:06.789Z");
  });
});

describe("identity", () => {
  const idOf = (attributes: Attributes, settings = SETTINGS) => mapFirst(requestOf({ attributes }), settings).event_id;

  test("log.record.uid: a UUID as it is, a ULID by name", () => {
    expect(idOf([text("log.record.uid", "ABCDEF12-3456-4ABC-8DEF-ABCDEF123456")])).toBe(
      "abcdef12-3456-4abc-8def-abcdef123456",
    );
    const ulid = idOf([text("log.record.uid", "01ARZ3NDEKTSV4RRFFQ69G5FAV")]);
    expect(ulid).toMatch(/-5[0-9a-f]{3}-/);
    expect(idOf([text("log.record.uid", "01ARZ3NDEKTSV4RRFFQ69G5FAV")])).toBe(ulid);
  });

  test("by content, if one wants: the same record is the same event, another one is another", () => {
    const settings = { ...SETTINGS, identity: "content" } as const;
    const one = { attributes: [text("a", "1")], timeUnixNano: 5n };
    const id = mapFirst(requestOf(one), settings).event_id;
    expect(mapFirst(requestOf(one), settings).event_id).toBe(id);
    expect(mapFirst(requestOf({ ...one, timeUnixNano: 6n }), settings).event_id).not.toBe(id);
    expect(mapFirst(requestOf(one, [text("host.name", "h2")]), settings).event_id).not.toBe(id);
  });

  test("else a fresh one for each delivery", () => {
    expect(idOf([])).toMatch(/-7[0-9a-f]{3}-/);
    expect(idOf([])).not.toBe(idOf([]));
  });
});

describe("topic", () => {
  test("every text becomes one that can stand in a topic", () => {
    const topicOf = (value: string) => fillTopic("{x}.log", () => value);
    expect(["a b", "a..b", ".a.", "a*>#b", "", " ", "漢字", "x\u0000y", "\ud800"].map(topicOf)).toEqual([
      "a-b.log",
      "a.b.log",
      "a.log",
      "a-b.log",
      "unknown.log",
      "-.log",
      "漢字.log",
      "x-y.log",
      "\ufffd.log",
    ]);
    expect(Array.from(topicOf("🎉".repeat(300))).length).toBe(255);
    expect(topicOf(`${"x".repeat(254)}.y`)).toBe("x".repeat(254));
  });

  test("attributes of the record come before those of the scope and the resource", () => {
    const settings = { ...SETTINGS, topicTemplate: "{tenant}.{missing}.{severity}" };
    const record = { attributes: [text("tenant", "a")], severityNumber: 17 };
    expect(mapFirst(requestOf(record, [text("tenant", "b")]), settings).topic).toBe("a.unknown.error");
    expect(mapFirst(requestOf({}, [text("tenant", "b")]), settings).topic).toBe("b.unknown.unspecified");
  });

  test("severities", () => {
    expect([0, 1, 4, 5, 9, 13, 17, 24, 25, -1].map(severityName)).toEqual([
      "unspecified",
      "trace",
      "trace",
      "debug",
      "info",
      "warn",
      "error",
      "fatal",
      "unspecified",
      "unspecified",
    ]);
  });

  test("a template must be a topic", () => {
    expect(["{service.name}.{severity}", "logs", "a.{b}"].map(topicTemplateFault)).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(["", "a..{b}", "a b", "{}"].map((template) => typeof topicTemplateFault(template))).toEqual([
      "string",
      "string",
      "string",
      "undefined",
    ]);
  });
});

describe("messages are counted before they are made", () => {
  const TWO = toBinary(ExportLogsServiceRequestSchema, requestOf({ attributes: [text("a", "1"), text("b", "2")] }));

  test("request, resource logs, resource, attribute, value, scope logs, scope, record, two attributes with values", () => {
    expect(() => decodeRequest(TWO, "protobuf", 12)).not.toThrow();
    expect(() => decodeRequest(TWO, "protobuf", 11)).toThrow(TooManyMessages);
    expect(() => decodeRequest(Buffer.from('{"resourceLogs":[{},{},{}]}'), "json", 4)).not.toThrow();
    expect(() => decodeRequest(Buffer.from('{"resourceLogs":[{},{},{}]}'), "json", 3)).toThrow(TooManyMessages);
  });

  test("values that nest without end are refused, not followed", () => {
    let deep: MessageInitShape<typeof AnyValueSchema> = {};
    for (let level = 0; level < 300; level += 1) {
      deep = { value: { case: "arrayValue", value: { values: [deep] } } };
    }
    const bytes = toBinary(ExportLogsServiceRequestSchema, requestOf({ body: deep }));
    expect(() => decodeRequest(bytes, "protobuf", 1000)).toThrow("too deep");
  });
});
