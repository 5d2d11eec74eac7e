/** `POST /publish`: what is taken, what is refused with which status, and what stays as it was sent. */
import { describe, expect, test } from "bun:test";
import { freshTopic, makeEvent, makeEvents, uuid } from "../harness/event-factory.ts";
import { post, request } from "../harness/http-client.ts";
import { expectProblem, useTarget } from "./target.ts";

const target = useTarget();

async function publishText(text: string, contentType = "application/json"): Promise<Response> {
  return await request(`${target.url}/publish`, {
    method: "POST",
    headers: { "content-type": contentType },
    body: text,
  });
}

/** An event as text, with one field's JSON given literally. */
function withLiteral(topic: string, field: string, literal: string): string {
  const { [field as "source"]: _, ...rest } = makeEvent({ topic });
  return `{"${field}":${literal},${JSON.stringify(rest).slice(1)}`;
}

/** Nothing of a refused request may be stored: a later event of the topic is the only one. */
async function expectNothingStored(topic: string): Promise<void> {
  await target.publisher.publishStored([makeEvent({ topic })]);
  await target.shows(topic, 1);
}

describe("taken", () => {
  test("an empty array is 200 with count 0, with and without verdicts", async () => {
    expect(await (await publishText("[]")).json()).toEqual({ status: "queued", count: 0 });
    const verdicts = await request(`${target.url}/publish?ack=stored`, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: " [ ] ",
    });
    expect(await verdicts.json()).toEqual({
      status: "stored",
      count: 0,
      unique: 0,
      duplicates: 0,
      dead_lettered: 0,
      results: [],
    });
  });

  test("an array of one and a single event are the same", async () => {
    const event = makeEvent({ topic: freshTopic() });
    expect(await (await publishText(JSON.stringify(event))).json()).toEqual({ status: "queued", count: 1 });
    await target.shows(event.topic, 1);
    expect((await target.publisher.publishStored([event])).results).toEqual(["duplicate"]);
  });

  test.each(["application/json; charset=utf-8", "APPLICATION/JSON"])(
    "a content type of %s is JSON",
    async (contentType) => {
      const response = await publishText(JSON.stringify(makeEvent({ topic: freshTopic() })), contentType);
      expect(response.status).toBe(200);
    },
  );

  test("letters of a UUID have no case: the second spelling is a duplicate", async () => {
    const topic = freshTopic();
    const event = makeEvent({ topic, event_id: "ABCDEF12-3456-4ABC-8DEF-ABCDEF123456" });
    await target.publisher.publishStored([event]);
    const again = { ...event, event_id: event.event_id.toLowerCase() };
    expect((await target.publisher.publishStored([again])).results).toEqual(["duplicate"]);
    expect((await target.shows(topic, 1))[0]?.event_id).toBe(again.event_id);
  });

  test.each([
    ["2025-03-01T12:00:00Z", "2025-03-01T12:00:00.000000Z"],
    ["2025-03-01T12:00:00", "2025-03-01T12:00:00.000000Z"],
    ["2025-03-01T12:00:00.123456Z", "2025-03-01T12:00:00.123456Z"],
    ["2025-03-01T00:30:00.000001+02:00", "2025-02-28T22:30:00.000001Z"],
    ["2024-02-29T23:59:59-05:30", "2024-03-01T05:29:59.000000Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00.000000Z"],
    ["9999-12-31T23:59:59.999999Z", "9999-12-31T23:59:59.999999Z"],
  ])("the timestamp %s keeps its instant to the microsecond", async (timestamp, instant) => {
    const topic = freshTopic();
    await target.publisher.publishStored([makeEvent({ topic, timestamp })]);
    expect(microseconds((await target.shows(topic, 1))[0]?.timestamp ?? "")).toBe(instant);
  });

  test("the text of a payload's numbers is kept", async () => {
    const topic = freshTopic();
    const payload = '{"price":1.10,"id":12345678901234567890.123,"tiny":1e-7,"huge":123456789012345678901234567890}';
    expect((await publishText(withLiteral(topic, "payload", payload))).status).toBe(200);
    await target.shows(topic, 1);
    const { text } = await target.page(topic);
    expect(text).toMatch(/"price": ?1\.10\b/);
    expect(text).toContain("12345678901234567890.123");
    expect(text).toContain("123456789012345678901234567890");
  });

  test("payload keys that mean something to JavaScript are only keys", async () => {
    const topic = freshTopic();
    const payload = '{"__proto__":{"polluted":true},"constructor":{"prototype":1},"toString":null}';
    expect((await publishText(withLiteral(topic, "payload", payload))).status).toBe(200);
    const [shown] = await target.shows(topic, 1);
    expect(Object.keys(shown?.payload ?? {}).sort()).toEqual(["__proto__", "constructor", "toString"]);
    expect(Object.getOwnPropertyDescriptor(shown?.payload ?? {}, "__proto__")?.value).toEqual({ polluted: true });
  });

  test("text of every script, quotes and backslashes come back as they were", async () => {
    const payload = { text: 'ąβ漢字🎉 "quoted" back\\slash \n\t\u2028 </script>', kéy: "\u007f" };
    const event = makeEvent({ topic: freshTopic(), source: 'ümlaut "source" \\ 漢', payload });
    await target.publisher.publishStored([event]);
    expect((await target.shows(event.topic, 1))[0]).toMatchObject({ source: event.source, payload });
  });

  test("the last of a field that is given twice is the one that counts, to the check and to the store alike", async () => {
    const topic = freshTopic();
    const event = makeEvent({ topic });
    const text = `{"event_id":"nonsense","topic":"*",${JSON.stringify(event).slice(1)}`;
    expect((await publishText(text)).status).toBe(200);
    expect((await target.shows(topic, 1))[0]?.event_id).toBe(event.event_id);
  });

  test("field names may be written with escapes", async () => {
    const topic = freshTopic();
    const text = JSON.stringify(makeEvent({ topic })).replace('"topic"', '"\\u0074opic"');
    expect((await publishText(text)).status).toBe(200);
    await target.shows(topic, 1);
  });

  test("names of the greatest length, in characters and not in bytes", async () => {
    const topic = `${freshTopic()}.${"漢".repeat(255)}`.slice(0, 255);
    const source = "🎉".repeat(255);
    expect((await target.publisher.publishStored([makeEvent({ topic, source })])).results).toEqual(["stored"]);
    expect((await target.shows(topic, 1))[0]?.source).toBe(source);
  });
});

/** An instant as ISO 8601 in UTC with six digits, whatever offset and digits it was shown with. */
function microseconds(timestamp: string): string {
  const [, seconds = "", fraction = "", offset = ""] =
    /^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d(?::?\d\d)?)$/.exec(timestamp) ?? [];
  const whole = new Date(`${seconds.replace(" ", "T")}${offset}`).toISOString().slice(0, 19);
  return `${whole}.${fraction.padEnd(6, "0")}Z`;
}

describe("refused as a whole", () => {
  test("400: what is not JSON", async () => {
    for (const text of ["", "{", "[1,", '{"topic":}', "nonsense", "[] []", "{'topic':1}"]) {
      await expectProblem(await publishText(text), 400);
    }
  });

  test("a charset may be written as UTF-8 is by many", async () => {
    const text = JSON.stringify(makeEvent({ topic: freshTopic() }));
    expect((await publishText(text, "application/json; charset=utf8")).status).toBe(200);
  });

  test("415: what does not say that it is JSON", async () => {
    const text = JSON.stringify(makeEvent({ topic: freshTopic() }));
    for (const type of [
      "text/plain",
      "application/x-www-form-urlencoded",
      "application/jsonx",
      "multipart/form-data",
    ]) {
      await expectProblem(await publishText(text, type), 415);
    }
  });

  test("422: JSON that is neither an event nor an array of events", async () => {
    for (const text of ["null", "1", '"text"', "true", "[1]", "[[]]", "[null]", "{}"]) {
      await expectProblem(await publishText(text), 422);
    }
  });

  test("422: a batch with bad events is refused whole, and each place is named", async () => {
    const topic = freshTopic();
    const batch: unknown[] = makeEvents(6, { topic });
    batch[1] = { ...makeEvent({ topic }), event_id: "no" };
    batch[3] = { ...makeEvent({ topic }), timestamp: "2025-02-30T00:00:00Z", surprise: 1 };
    batch[5] = 17;
    const problem = await expectProblem(await post(`${target.url}/publish`, batch), 422);
    const pointers = problem.errors?.map(({ pointer }) => pointer).sort();
    expect(pointers).toEqual(["/1/event_id", "/3/surprise", "/3/timestamp", "/5"]);
    await expectNothingStored(topic);
  });

  test("422: the number of places that are named is bounded", async () => {
    const batch = Array.from({ length: 2_000 }, () => ({}));
    const problem = await expectProblem(await post(`${target.url}/publish`, batch), 422);
    expect(problem.errors?.length).toBeGreaterThan(0);
    expect(problem.errors?.length).toBeLessThanOrEqual(100);
  });

  test.each([
    "with space",
    "tab\tbed",
    "a..b",
    ".a",
    "a.",
    "a.*",
    "a.>",
    "#",
    "nul\u0000",
    "\u0085",
    "",
    "x".repeat(256),
  ])("422: the topic %j", async (topic) => {
    const problem = await expectProblem(await post(`${target.url}/publish`, [makeEvent({ topic })]), 422);
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(["/0/topic"]);
  });

  test.each([
    "now",
    "epoch",
    "infinity",
    "2025-02-30T00:00:00Z",
    "2023-02-29T00:00:00Z",
    "2025-13-01T00:00:00Z",
    "2025-01-01T24:00:01Z",
    "2025-01-01T00:60:00Z",
    "2025-01-01T00:00:00.1234567Z",
    "2025-01-01T00:00:00+25:00",
    "2025-01-01",
    "0000-01-01T00:00:00Z",
    "10000-01-01T00:00:00Z",
    "1735689600",
    "",
  ])("422: the timestamp %j", async (timestamp) => {
    const event = makeEvent({ topic: freshTopic(), timestamp });
    const problem = await expectProblem(await post(`${target.url}/publish`, event), 422);
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(["/timestamp"]);
  });

  test.each(["", `{${uuid()}}`, uuid().replaceAll("-", ""), `${uuid()}0`, `urn:uuid:${uuid()}`, ` ${uuid()}`])(
    "422: the event_id %j",
    async (event_id) => {
      const event = makeEvent({ topic: freshTopic(), event_id });
      const problem = await expectProblem(await post(`${target.url}/publish`, event), 422);
      expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(["/event_id"]);
    },
  );

  test.each([
    ["an exponent too small", '{"a":{"b":1e-20000}}', "/payload/a/b"],
    ["an exponent too large", '{"a":[0,1E+309]}', "/payload/a/1"],
    ["too many digits", `{"a":${"9".repeat(2_000)}}`, "/payload/a"],
    ["NUL in a string", '{"a":"x\\u0000y"}', "/payload/a"],
    ["a lone high surrogate", '{"a":"\\ud800"}', "/payload/a"],
    ["a lone low surrogate", '{"a":"\\udc00\\ud800"}', "/payload/a"],
    ["a number hidden by a later key", '{"a":1e-20000,"a":1}', "/payload/a"],
  ])("422: a payload with %s", async (_, payload, pointer) => {
    const problem = await expectProblem(await publishText(withLiteral(freshTopic(), "payload", payload)), 422);
    expect(problem.errors?.map((error) => error.pointer)).toEqual([pointer]);
  });

  test("422: NUL in a field name, and in a source", async () => {
    await expectProblem(await publishText(withLiteral(freshTopic(), "payload", '{"a\\u0000":1}')), 422);
    await expectProblem(await publishText(withLiteral(freshTopic(), "source", '"a\\u0000"')), 422);
  });

  test("422: a body nested 60,000 deep, without harm to the next request", async () => {
    const deep = withLiteral(freshTopic(), "payload", `${'{"a":'.repeat(60_000)}1${"}".repeat(60_000)}`);
    await expectProblem(await publishText(deep), 422);
    await expectProblem(await publishText("[".repeat(100_000)), 422);
    expect((await publishText("[]")).status).toBe(200);
  });

  test("422: an unknown field, also one that hides in the prototype's name", async () => {
    const event = JSON.stringify(makeEvent({ topic: freshTopic() }));
    const problem = await expectProblem(await publishText(`{"__proto__":{},${event.slice(1)}`), 422);
    expect(problem.errors?.map(({ pointer }) => pointer)).toEqual(["/__proto__"]);
  });

  test.each(["ack=maybe", "ack=stored&ack=stored", "akc=stored", "ack"])(
    "422: a query that asks for no acknowledgement of ours: %s",
    async (query) => {
      const topic = freshTopic();
      for (const path of ["/publish", "/cloudevents"]) {
        await expectProblem(await post(`${target.url}${path}?${query}`, [makeEvent({ topic })]), 422);
      }
      const found = await request(`${target.url}/events?topic=${topic}`);
      expect(await found.json()).toEqual([]);
    },
  );

  test("413: more events than a batch may hold, though the bytes would fit", async () => {
    await expectProblem(await publishText(`[${"1,".repeat(100_000)}1]`), 413);
  });

  test("404: a path that is none, whatever the method", async () => {
    for (const [method, path] of [
      ["GET", "/nowhere"],
      ["POST", "/publish/now"],
      ["GET", "/Stats"],
      ["GET", "/%2e%2e/etc"],
    ] as const) {
      await expectProblem(await request(`${target.url}${path}`, { method }), 404);
    }
  });
});
