import { describe, expect, test } from "bun:test";
import { TypeCompiler } from "@sinclair/typebox/compiler";
import fc from "fast-check";
import { nearlyEvent, sample } from "../test/arbitraries.ts";
import { EventSchema } from "./event.ts";
import { explainEvent } from "./explain.ts";
import { Places } from "./places.ts";

function faults(value: unknown, pointer = ""): Record<string, string> {
  const places = new Places();
  explainEvent(value, pointer, places);
  return Object.fromEntries(places.named.map((place) => [place.pointer, place.detail]));
}

describe("an event is explained", () => {
  test("not at all where nothing is wrong", () => {
    expect(faults(sample)).toEqual({});
    expect(faults({ ...sample, payload: {} })).toEqual({});
  });

  test("by each field that is missing", () => {
    expect(faults({})).toEqual({
      "/topic": "is missing",
      "/event_id": "is missing",
      "/timestamp": "is missing",
      "/source": "is missing",
      "/payload": "is missing",
    });
  });

  test("by each field of another type", () => {
    expect(faults({ topic: 1, event_id: null, timestamp: true, source: ["a"], payload: "a" }, "/3")).toEqual({
      "/3/topic": "must be a string, not a number",
      "/3/event_id": "must be a string, not null",
      "/3/timestamp": "must be a string, not a boolean",
      "/3/source": "must be a string, not an array",
      "/3/payload": "must be an object, not a string",
    });
    expect(faults({ ...sample, source: {} })).toEqual({ "/source": "must be a string, not an object" });
  });

  test.each([
    [[], "an array"],
    [null, "null"],
    [1, "a number"],
    [false, "a boolean"],
  ])("by a payload that is %j", (payload, kind) => {
    expect(faults({ ...sample, payload })).toEqual({ "/payload": `must be an object, not ${kind}` });
  });

  test("by each field's own rule", () => {
    expect(faults({ ...sample, topic: "a b", event_id: "x", timestamp: "now", source: "" })).toEqual({
      "/topic": "must not contain white space",
      "/event_id": "must be a UUID as in RFC 9562: 8-4-4-4-12 hexadecimal digits",
      "/timestamp": "must be an ISO 8601 / RFC 3339 date and time such as 2026-01-31T23:59:59.123456Z",
      "/source": "must not be empty",
    });
  });

  test("by the name of each unknown field", () => {
    const unknown = "is not a field of an event, which has topic, event_id, timestamp, source, payload";
    const value = JSON.parse(
      JSON.stringify(sample).replace("{", '{"__proto__":{},"constructor":1,"a/b":2,"Topic":"a",'),
    );
    expect(faults(value)).toEqual({
      "/__proto__": unknown,
      "/constructor": unknown,
      "/a~1b": unknown,
      "/Topic": unknown,
    } as Record<string, string>);
  });

  test.each([
    [null, "null"],
    [[], "an array"],
    ["a", "a string"],
    [0, "a number"],
  ])("by what it is instead of an object: %j", (value, kind) => {
    expect(faults(value, "/7")).toEqual({ "/7": `must be an event, which is an object, not ${kind}` });
  });
});

test("the compiled schema and the explanation agree on every value", () => {
  const check = TypeCompiler.Compile(EventSchema);
  fc.assert(
    fc.property(nearlyEvent, (value) => {
      expect(Object.keys(faults(value)).length === 0).toBe(check.Check(value));
    }),
    { numRuns: 2000 },
  );
});
