import { describe, expect, test } from "bun:test";
import fc from "fast-check";
import { nearlyEvent, sample, validEvent } from "../test/arbitraries.ts";
import { BODY_EXPONENTS_SUM_MAX } from "./limits.ts";
import { type AcceptedBody, type ParsedBody, parsePublishBody, type RefusedBody } from "./publish-body.ts";

const LIMITS = { batchEventsMax: 10_000 };
const encoder = new TextEncoder();

function parse(body: string | Uint8Array, limits = LIMITS): ParsedBody {
  return parsePublishBody(typeof body === "string" ? encoder.encode(body) : body, limits);
}

function accepted(body: string | Uint8Array, limits = LIMITS): AcceptedBody {
  const parsed = parse(body, limits);
  if (!parsed.ok) throw new Error(`refused: ${JSON.stringify(parsed)}`);
  return parsed;
}

function refused(body: string | Uint8Array, limits = LIMITS): RefusedBody {
  const parsed = parse(body, limits);
  if (parsed.ok) throw new Error(`accepted: ${parsed.text.slice(0, 200)}`);
  return parsed;
}

const text = JSON.stringify(sample);
const { topic, event_id, source } = sample;
const identified = { topic, event_id, source };

describe("a body is accepted", () => {
  test("as one event", () => {
    expect(accepted(text)).toEqual({ ok: true, isBatch: false, events: [identified], text });
  });

  test("as an array of one", () => {
    expect(accepted(`[${text}]`)).toEqual({ ok: true, isBatch: true, events: [identified], text });
  });

  test("as an array of several, in their order", () => {
    const other = JSON.stringify({ ...sample, topic: "user.auth", source: "service-a" });
    expect(accepted(`[${text},${other},${text}]`)).toEqual({
      ok: true,
      isBatch: true,
      events: [identified, { ...identified, topic: "user.auth", source: "service-a" }, identified],
      text: `${text},${other},${text}`,
    });
  });

  test.each(["[]", " [ ] ", "[\r\n\t]"])("as no events at all: %j", (body) => {
    expect(accepted(body)).toEqual({ ok: true, isBatch: true, events: [], text: "" });
  });

  test("with event_id in lower case, though its text stays as it was", () => {
    const upper = text.replace(event_id, event_id.toUpperCase());
    expect(accepted(upper).events[0]?.event_id).toBe(event_id);
    expect(accepted(upper).text).toBe(upper);
  });

  test("without the white space around it, and with all that is inside", () => {
    const spaced = JSON.stringify(sample, null, "\t");
    expect(accepted(` \r\n${spaced}\t\n`).text).toBe(spaced);
    expect(accepted(`\n[ ${spaced} ,\n${spaced}\r\n]\n`).text).toBe(`${spaced} ,\n${spaced}`);
  });

  test("without a byte order mark, which RFC 8259 lets a reader ignore", () => {
    expect(accepted(`\ufeff${text}`).text).toBe(text);
  });

  test("with its own digits, escapes, names and order", () => {
    const payload = String.raw`{"b":1.10,"a":-0.0,"n":12345678901234567890.123456789,"e":1E+2,"s":"\u00e9\/","s":"x"}`;
    const own = text.replace(JSON.stringify(sample.payload), payload);
    expect(accepted(own).text).toBe(own);
  });

  test("with __proto__ and constructor in its payload, which are data like any other", () => {
    const payload = `{"__proto__":{"topic":"a"},"constructor":{"prototype":null},"toString":1}`;
    const own = text.replace(JSON.stringify(sample.payload), payload);
    expect(accepted(own).events).toEqual([identified]);
  });

  test("by the last of fields that repeat, as Postgres's json_to_recordset reads them", () => {
    const twice = text.replace("{", '{"topic":{"hidden":[1]},"event_id":"hidden",');
    expect(accepted(twice).events).toEqual([identified]);
    expect(refused(text.replace(/}$/, ',"topic":1}')).errors).toEqual([
      { pointer: "/topic", detail: "must be a string, not a number" },
    ]);
  });

  test("up to the largest batch", () => {
    expect(accepted(`[${text},${text}]`, { batchEventsMax: 2 }).events).toHaveLength(2);
    expect(accepted(text, { batchEventsMax: 1 }).events).toHaveLength(1);
  });
});

describe("a body is malformed", () => {
  const EMPTY = "The body is empty; it must be one event or an array of events.";
  const NOT_UTF8 = "The body is not valid UTF-8.";
  const NOT_JSON = "The body is not valid JSON.";

  test.each([
    ["nothing", "", EMPTY],
    ["white space", " \n", EMPTY],
    ["a lone continuation byte", new Uint8Array([0x22, 0x80, 0x22]), NOT_UTF8],
    ["a cut sequence", new Uint8Array([0x22, 0xe2, 0x82]), NOT_UTF8],
    ["an overlong NUL", new Uint8Array([0x22, 0xc0, 0x80, 0x22]), NOT_UTF8],
    ["half a surrogate pair in bytes", new Uint8Array([0x22, 0xed, 0xa0, 0x80, 0x22]), NOT_UTF8],
    ["UTF-16", new Uint8Array([0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]), NOT_UTF8],
    ["half an object", text.slice(0, -1), NOT_JSON],
    ["half an array", `[${text}`, NOT_JSON],
    ["two events", `${text}${text}`, NOT_JSON],
    ["lines of events", `${text}\n${text}\n`, NOT_JSON],
    ["a trailing comma", `[${text},]`, NOT_JSON],
    ["a comment", `${text}//`, NOT_JSON],
    ["single quotation marks", text.replaceAll('"', "'"), NOT_JSON],
    ["NaN", text.replace("12.5", "NaN"), NOT_JSON],
    ["a number with a leading zero", text.replace("12.5", "012"), NOT_JSON],
    ["a raw control character in a string", text.replace("web", "w\neb"), NOT_JSON],
    ["a raw NUL in a string", text.replace("web", "w\0eb"), NOT_JSON],
    ["a no-break space before it", `\u00a0${text}`, NOT_JSON],
    ["a no-break space after it", `[${text}]\u00a0`, NOT_JSON],
    ["a second byte order mark", `\ufeff\ufeff${text}`, NOT_JSON],
    ["an escape that is none", text.replace("web", "\\u00zz"), NOT_JSON],
    ["a fault in text that is no JSON", `${text.replace("12.5", "1e999")}}`, NOT_JSON],
  ])("where it is %s", (_name, body, detail) => {
    expect(refused(body)).toEqual({ ok: false, kind: "malformed", detail, errors: [] });
  });
});

describe("a body is unacceptable", () => {
  test.each([
    ["null", "null"],
    ["1", "a number"],
    ["true", "a boolean"],
    ['"a"', "a string"],
  ])("where it is %s", (body, kind) => {
    const detail = `must be an event, which is an object, not ${kind}`;
    expect(refused(body)).toMatchObject({ kind: "unacceptable", errors: [{ pointer: "", detail }] });
  });

  test("with each place named, in a batch by the event's index", () => {
    const wrongId = JSON.stringify({ ...sample, event_id: "x" });
    const wrongDay = JSON.stringify({ ...sample, timestamp: "2026-02-30T00:00:00Z", extra: 1 });
    expect(refused(`[${text},${wrongId},[],${wrongDay}]`)).toEqual({
      ok: false,
      kind: "unacceptable",
      detail: "The body does not fit what an event is, at 4 places.",
      errors: [
        { pointer: "/1/event_id", detail: "must be a UUID as in RFC 9562: 8-4-4-4-12 hexadecimal digits" },
        { pointer: "/2", detail: "must be an event, which is an object, not an array" },
        { pointer: "/3/timestamp", detail: "30 February does not exist" },
        {
          pointer: "/3/extra",
          detail: "is not a field of an event, which has topic, event_id, timestamp, source, payload",
        },
      ],
    });
  });

  test("for what only its text shows, together with what its values show", () => {
    const body = text.replace("12.5", "1e-20000").replace("2048", '"\\u0000"').replace("system.logs", "system logs");
    expect(refused(body)).toEqual({
      ok: false,
      kind: "unacceptable",
      detail: "The body does not fit what an event is, at 3 places.",
      errors: [
        { pointer: "/payload/cpu_usage", detail: "must have an exponent between -308 and 308" },
        {
          pointer: "/payload/memory",
          detail: "must not contain the character NUL (\\u0000), which Postgres cannot keep",
        },
        { pointer: "/topic", detail: "must not contain white space" },
      ],
    });
  });

  test("for a fault that a later duplicate hides from the parsed value", () => {
    const body = text.replace('"memory"', '"cpu_usage":1e999,"memory"').replace("12.5", '"\\ud800"');
    expect(refused(body).errors).toHaveLength(1);
    expect(refused(text.replace("{", '{"topic":"\\u0000",')).errors[0]?.pointer).toBe("/topic");
  });

  test("for exponents that would make its numbers far larger in a reply than they were in the request", () => {
    const numbers = (count: number) => text.replace("12.5", `[${new Array(count).fill("1e-308").join(",")}]`);
    const most = Math.floor(BODY_EXPONENTS_SUM_MAX / 308);
    expect(accepted(numbers(most)).events).toHaveLength(1);
    expect(refused(numbers(most + 100)).errors).toEqual([
      {
        pointer: `/payload/cpu_usage/${most}`,
        detail: `must not bring the sum of this request's exponents over ${BODY_EXPONENTS_SUM_MAX}`,
      },
    ]);
  });

  test("where it nests too deep, however deep, without being parsed", () => {
    const detail = "must not nest deeper than 64 levels";
    const deep = (levels: number) => text.replace("12.5", `${"[".repeat(levels)}${"]".repeat(levels)}`);
    expect(accepted(deep(63)).events).toHaveLength(1);
    expect(accepted(`[${deep(63)}]`).events).toHaveLength(1);
    expect(refused(deep(64)).errors).toEqual([{ pointer: "/payload", detail }]);
    expect(refused(`[${text},${deep(64)}]`).errors).toEqual([{ pointer: "/1/payload", detail }]);
    expect(refused(deep(100_000)).errors).toEqual([{ pointer: "/payload", detail }]);
    expect(refused("[".repeat(100_000)).errors).toEqual([{ pointer: "/0/0", detail }]);
  });

  test("with at most 20 places named", () => {
    const reply = refused(`[${Array.from({ length: 25 }, () => "{}").join()}]`);
    expect(reply.errors).toHaveLength(20);
    expect(reply.detail).toBe("The body does not fit what an event is; the first 20 places are named.");
    const names = Array.from({ length: 25 }, (_, index) => `"x${index}":1`);
    expect(refused(text.replace("{", `{${names.join()},`)).errors).toHaveLength(20);
  });

  test("in a reply that stays small whatever is sent", () => {
    const name = "k".repeat(100_000);
    const bodies = [
      text.replace("{", `{"${name}":1,`),
      text.replace("system.logs", name),
      text.replace("2026", name),
      text.replace("web-frontend", name),
      text.replace(event_id, name),
      text.replace("12.5", `${`{"${name}":`.repeat(10)}1e999${"}".repeat(10)}`),
    ];
    for (const body of bodies) expect(JSON.stringify(refused(body)).length).toBeLessThan(1000);
  });
});

describe("a body is too many", () => {
  test("by one, whatever its elements are", () => {
    expect(refused(`[${text},${text},1]`, { batchEventsMax: 2 })).toEqual({
      ok: false,
      kind: "too_many",
      detail: "The array holds 3 events; one request may carry at most 2.",
      errors: [],
    });
  });
});

describe("any body", () => {
  const indent = fc.constantFrom(undefined, 1, "\t");

  test("of valid events is accepted, and its text is those events", () => {
    fc.assert(
      fc.property(fc.array(validEvent, { maxLength: 5 }), indent, (events, space) => {
        const body = accepted(JSON.stringify(events, null, space));
        expect(JSON.parse(`[${body.text}]`)).toEqual(JSON.parse(JSON.stringify(events)));
        expect(body.events).toEqual(
          events.map((event) => ({
            topic: event.topic,
            event_id: event.event_id.toLowerCase(),
            source: event.source,
          })),
        );
      }),
    );
  });

  test("of one valid event is accepted with every character escaped", () => {
    fc.assert(
      fc.property(validEvent, (event) => {
        const escaped = JSON.stringify(event).replace(
          /[^\x20-\x7e]/g,
          (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`,
        );
        expect(accepted(escaped).text).toBe(escaped);
      }),
    );
  });

  test("is accepted with as many elements as it has events, or refused with a reason", () => {
    const spoil = fc.record({
      at: fc.nat(400),
      length: fc.nat(3),
      piece: fc.constantFrom("", '"', "]", "{", ",", "\\", "0"),
    });
    fc.assert(
      fc.property(fc.array(nearlyEvent, { maxLength: 3 }), fc.option(spoil, { freq: 2 }), (values, spoiling) => {
        let body = JSON.stringify(values);
        if (spoiling !== null) {
          body = body.slice(0, spoiling.at) + spoiling.piece + body.slice(spoiling.at + spoiling.length);
        }
        const parsed = parse(body);
        if (parsed.ok) expect(JSON.parse(`[${parsed.text}]`)).toHaveLength(parsed.events.length);
        else if (parsed.kind === "unacceptable") expect(parsed.errors.length).toBeGreaterThan(0);
        else expect(parsed.detail).not.toBe("");
      }),
      { numRuns: 2000 },
    );
  });

  test("of arbitrary bytes gets an answer", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), (bytes) => typeof parse(bytes).ok === "boolean"));
  });
});
