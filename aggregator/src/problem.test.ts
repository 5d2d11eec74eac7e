import { describe, expect, test } from "bun:test";
import { ProblemSchema } from "@sekali/contract";
import { Value } from "@sinclair/typebox/value";
import { Overloaded } from "./ingest/batcher.ts";
import { OutcomeUnknown } from "./ingest/verdicts.ts";
import { problemOf, problemResponse, RequestError, refusalProblem } from "./problem.ts";
import { ForeignQueue, QueueAway } from "./queue/port.ts";
import { StoreAway, TooSlow, Unstorable } from "./store/port.ts";

const DRIVER_TEXT = "connect ECONNREFUSED 10.0.0.7:5432";

async function bodyOf(response: Response): Promise<Record<string, unknown>> {
  const body = (await response.json()) as Record<string, unknown>;
  expect(Value.Check(ProblemSchema, body)).toBe(true);
  return body;
}

describe("a problem's response", () => {
  test("is RFC 9457, with the headers that belong to it", async () => {
    const response = problemResponse({
      status: 413,
      name: "body-too-large",
      title: "Body too large",
      detail: "At most 5 bytes.",
      headers: { connection: "close" },
    });
    expect([response.status, response.headers.get("content-type"), response.headers.get("connection")]).toEqual([
      413,
      "application/problem+json",
      "close",
    ]);
    expect(await bodyOf(response)).toEqual({
      type: "urn:sekali:problem:body-too-large",
      title: "Body too large",
      status: 413,
      detail: "At most 5 bytes.",
    });
  });

  test("is about:blank where the status says it all", async () => {
    const body = await bodyOf(problemResponse({ status: 404, title: "Not found" }));
    expect(body).toEqual({ type: "about:blank", title: "Not found", status: 404 });
  });

  test("names the places that are wrong", async () => {
    const errors = [{ pointer: "/3/event_id", detail: "is missing" }];
    expect(await bodyOf(problemResponse({ status: 422, title: "x", errors }))).toMatchObject({ errors });
  });
});

describe("a refused body", () => {
  test.each([
    ["malformed", 400, "malformed"],
    ["too_many", 413, "too-many-events"],
    ["unacceptable", 422, "unacceptable"],
  ] as const)("that is %s is a %d", (kind, status, name) => {
    const errors = [{ pointer: "/0", detail: "d" }];
    expect(refusalProblem({ ok: false, kind, detail: "why", errors })).toMatchObject({
      status,
      name,
      detail: "why",
      errors,
    });
  });
});

describe("an error", () => {
  test.each([
    [new Overloaded(DRIVER_TEXT), "overloaded"],
    [new QueueAway(DRIVER_TEXT), "queue-away"],
    [new ForeignQueue(DRIVER_TEXT, DRIVER_TEXT), "queue-away"],
    [new OutcomeUnknown(DRIVER_TEXT), "outcome-unknown"],
    [new StoreAway(DRIVER_TEXT), "store-away"],
    [new TooSlow(DRIVER_TEXT), "too-slow"],
  ])("%s is 503 with Retry-After, and without its own text", async (error, name) => {
    const problem = problemOf(error);
    if (problem === undefined) throw new Error("no problem");
    const response = problemResponse(problem);
    expect([response.status, response.headers.get("retry-after")]).toEqual([503, "1"]);
    const body = await bodyOf(response);
    expect(body["type"]).toBe(`urn:sekali:problem:${name}`);
    expect(JSON.stringify(body)).not.toContain("10.0.0.7");
  });

  test("of a request is the problem that it carries", () => {
    const problem = { status: 415, title: "Not JSON" } as const;
    expect(problemOf(new RequestError(problem))).toBe(problem);
  });

  test.each([new Error(DRIVER_TEXT), new Unstorable(DRIVER_TEXT), DRIVER_TEXT, null, undefined])(
    "%s is a fault of ours",
    (error) => {
      expect(problemOf(error)).toBeUndefined();
    },
  );
});
