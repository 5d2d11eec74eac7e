import { describe, expect, test } from "bun:test";
import { cloudEventFaults, eventIdOf, mapCloudEvent, pointerInCloudEvent } from "./mapping.ts";
import { readBatch, readBinary, readStructured } from "./modes.ts";

const ARRIVAL = new Date("2026-02-03T04:05:06.789Z");
const BASE = { specversion: "1.0", id: "A-1", source: "/shop", type: "com.example.order.placed" };

function structured(event: object | string) {
  const attributes = readStructured(typeof event === "string" ? event : JSON.stringify(event));
  if (attributes === undefined) throw new Error("no object");
  return attributes;
}

function binary(headers: Record<string, string>, body: string | Uint8Array = "") {
  const bytes = typeof body === "string" ? new TextEncoder().encode(body) : body;
  return readBinary(new Headers({ ...headers }), bytes);
}

const CE_HEADERS = {
  "ce-specversion": "1.0",
  "ce-id": "A-1",
  "ce-source": "/shop",
  "ce-type": "com.example.order.placed",
};

const mapped = (attributes: ReturnType<typeof structured>) => mapCloudEvent(attributes, ARRIVAL);
const asText = (attributes: ReturnType<typeof structured>) => JSON.stringify(mapped(attributes).payload);

describe("identity", () => {
  test("a UUID is taken as it is, in lower case; anything else is named by source and id", () => {
    expect(eventIdOf("/shop", "ABCDEF12-3456-4ABC-8DEF-ABCDEF123456")).toBe("abcdef12-3456-4abc-8def-abcdef123456");
    const named = eventIdOf("/shop", "A-1");
    expect(named).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    expect(eventIdOf("/shop", "A-1")).toBe(named);
    expect(eventIdOf("/shop", "A-2")).not.toBe(named);
    expect(eventIdOf("/shop2", "A-1")).not.toBe(named);
    expect(eventIdOf('a","b', "c")).not.toBe(eventIdOf("a", 'b","c'));
  });

  test("what was given out once stays: the scheme's first id", () => {
    expect(eventIdOf("/shop", "A-1")).toBe("aa253630-555e-5f25-8fd7-35ab05b81fbe");
  });
});

describe("the same in every mode", () => {
  test("JSON data, extensions of any type, and JSON's media type said or not", () => {
    const event = { ...BASE, time: "2026-01-01T00:00:00.123Z", count: 5, sampled: true, data: { a: [1, null, "x"] } };
    const headers = {
      ...CE_HEADERS,
      "ce-time": "2026-01-01T00:00:00.123Z",
      "ce-count": "5",
      "ce-sampled": "true",
      "content-type": "application/json; charset=utf-8",
    };
    const fromBinary = mapped(binary(headers, JSON.stringify(event.data)));
    const normal = (value: unknown) => JSON.parse(JSON.stringify(value)) as unknown;
    expect(normal(fromBinary)).toEqual(normal(mapped(structured(event))));
    expect(normal(fromBinary)).toEqual(normal(mapped(structured({ ...event, datacontenttype: "application/json" }))));
    const [batched] = readBatch(JSON.stringify([event]));
    expect(normal(mapped(batched ?? new Map()))).toEqual(normal(fromBinary));
    expect(fromBinary).toMatchObject({ timestamp: "2026-01-01T00:00:00.123Z", source: "/shop", topic: BASE.type });
    expect(fromBinary.payload).toMatchObject({ count: "5", sampled: "true", id: "A-1" });
    expect(fromBinary.payload).not.toHaveProperty("datacontenttype");
  });

  test("text, XML and bytes", () => {
    const both = (type: string, body: string | Uint8Array, member: object) => {
      const fromBinary = mapped(
        binary({ ...CE_HEADERS, "ce-time": "2026-01-01T00:00:00Z", "content-type": type }, body),
      );
      const event = { ...BASE, time: "2026-01-01T00:00:00Z", datacontenttype: type, ...member };
      expect(fromBinary).toEqual(mapped(structured(event)));
    };
    both("text/plain", "héllo", { data: "héllo" });
    both("application/xml", "<a/>", { data: "<a/>" });
    both("application/octet-stream", new Uint8Array([0, 255, 1]), { data_base64: "AP8B" });
  });
});

test("numbers in data keep their digits", () => {
  const data = '{"price":1.10,"id":12345678901234567890.5,"tiny":1e-7,"big":123456789012345678901}';
  expect(asText(binary({ ...CE_HEADERS, "content-type": "application/json" }, data))).toContain(`"data":${data}`);
  expect(asText(structured(`{${JSON.stringify(BASE).slice(1, -1)},"data":${data}}`))).toContain(`"data":${data}`);
});

test("data: null, a number, false and an empty string are values; no data is none", () => {
  for (const data of ["null", "42", "false", '""', "[]"]) {
    expect(asText(structured(`{${JSON.stringify(BASE).slice(1, -1)},"data":${data}}`))).toContain(`"data":${data}`);
    expect(asText(binary({ ...CE_HEADERS, "content-type": "application/json" }, data))).toContain(`"data":${data}`);
  }
  expect(asText(binary(CE_HEADERS))).not.toContain("data");
});

test("a body that begins like no JSON is the string that the SDK meant; one that begins like it must be JSON", () => {
  expect(asText(binary({ ...CE_HEADERS, "content-type": "application/json" }, "hello"))).toContain('"data":"hello"');
  expect(() => binary({ ...CE_HEADERS, "content-type": "application/json" }, '{"a":')).toThrow("not valid JSON");
});

test("header values are percent-decoded", () => {
  const attributes = binary({ ...CE_HEADERS, "ce-subject": "Euro%20%E2%82%AC%20%F0%9F%98%80", "ce-odd": "100%" });
  expect(mapped(attributes).payload).toMatchObject({ subject: "Euro € 😀", odd: "100%" });
});

test("a header value in quotes is taken out of them first", () => {
  const subject = String.raw`"a \"b\" \\ %22c%22"`;
  const attributes = binary({
    ...CE_HEADERS,
    "ce-id": '"A-1"',
    "ce-subject": subject,
    "ce-half": '"a',
    "ce-two": '"a" "b"',
  });
  expect(mapped(attributes).payload).toMatchObject({
    id: "A-1",
    subject: String.raw`a "b" \ "c"`,
    half: '"a',
    two: '"a" "b"',
  });
  expect(mapped(attributes).event_id).toBe(mapped(structured(BASE)).event_id);
});

test("an extension may be empty, in every mode", () => {
  expect(cloudEventFaults(structured({ ...BASE, tracestate: "" }))).toEqual([]);
  expect(mapped(structured({ ...BASE, tracestate: "" })).payload).toHaveProperty("tracestate", "");
  expect(mapped(binary({ ...CE_HEADERS, "ce-tracestate": "" })).payload).toHaveProperty("tracestate", "");
});

test("time keeps microseconds, and its own text in the payload; without it, the arrival counts", () => {
  const precise = mapped(structured({ ...BASE, time: "2026-01-01T00:00:00.123456789+02:00" }));
  expect(precise.timestamp).toBe("2026-01-01T00:00:00.123456+02:00");
  expect(precise.payload["time"]).toBe("2026-01-01T00:00:00.123456789+02:00");
  expect(mapped(structured(BASE)).timestamp).toBe("2026-02-03T04:05:06.789Z");
  expect(mapped(structured(BASE)).payload).not.toHaveProperty("time");
});

describe("faults", () => {
  const pointers = (event: object) => cloudEventFaults(structured(event)).map(({ pointer }) => pointer);

  test("none in what is sound", () => {
    expect(pointers({ ...BASE, subject: "s", dataschema: "https://example.com/schema", data: {} })).toEqual([]);
  });

  test.each(["specversion", "id", "source", "type"])("%s is missing, empty or null", (name) => {
    for (const value of [undefined, "", null]) expect(pointers({ ...BASE, [name]: value })).toEqual([`/${name}`]);
  });

  test.each([
    [{ specversion: "0.3" }, "/specversion"],
    [{ source: "not a reference %%" }, "/source"],
    [{ time: "yesterday" }, "/time"],
    [{ dataschema: "not a uri" }, "/dataschema"],
    [{ Upper: "x" }, "/Upper"],
    [{ nested: { a: 1 } }, "/nested"],
    [{ subject: "" }, "/subject"],
    [{ datacontenttype: "" }, "/datacontenttype"],
    [{ time: "" }, "/time"],
    [{ data_base64: "no base64!" }, "/data_base64"],
    [{ data_base64: "AA==", data: 1 }, "/data_base64"],
  ])("%j", (over, pointer) => {
    expect(pointers({ ...BASE, ...over })).toEqual([pointer]);
  });
});

test("the contract's pointers lead into the CloudEvent", () => {
  expect(
    ["/topic", "/event_id", "/timestamp", "/source", "/payload/data/a", "/payload", ""].map(pointerInCloudEvent),
  ).toEqual(["/type", "/id", "/time", "/source", "/data/a", "", ""]);
});
