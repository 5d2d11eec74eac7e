import { describe, expect, test } from "bun:test";
import { type Answer, readReply, readRetryAfter } from "./reply.ts";

const NOW = Date.parse("2026-11-23T15:55:50Z");

function answer(status: number, body: unknown, extra: Partial<Answer> = {}): Answer {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  return { status, contentType: "application/json", retryAfter: null, body: text, ...extra };
}

const queued = { ack: "queued", count: 2 } as const;
const stored = { ack: "stored", count: 2 } as const;

describe("acknowledgements", () => {
  test("200 queued with the count that was sent", () => {
    const reply = readReply(answer(200, { status: "queued", count: 2 }), queued, NOW);
    expect(reply).toEqual({ kind: "acknowledged", status: 200, verdicts: undefined, results: undefined });
  });

  test("200 stored with a verdict on each", () => {
    const body = {
      status: "stored",
      count: 2,
      unique: 1,
      duplicates: 1,
      dead_lettered: 0,
      results: ["stored", "duplicate"],
    };
    const reply = readReply(answer(200, body), stored, NOW);
    expect(reply).toMatchObject({ kind: "acknowledged", verdicts: { stored: 1, duplicates: 1, deadLettered: 0 } });
  });

  test.each([
    ["another count", { status: "queued", count: 3 }],
    ["another status", { status: "stored", count: 2 }],
    ["an empty object", {}],
    ["an array", [1]],
  ])("a 200 with %s acknowledges nothing", (_, body) => {
    expect(readReply(answer(200, body), queued, NOW).kind).toBe("refused");
  });

  test("a 200 stored that lacks a verdict acknowledges nothing", () => {
    const body = { status: "stored", count: 2, results: ["stored"] };
    expect(readReply(answer(200, body), stored, NOW).kind).toBe("refused");
  });

  test("a page that says 200 is no acknowledgement", () => {
    const page = answer(200, "<html>Please log in</html>", { contentType: "text/html" });
    expect(readReply(page, queued, NOW)).toMatchObject({
      kind: "refused",
      reason: expect.stringContaining("text/html"),
    });
  });

  test("a cut reply leaves the outcome unknown, so the same is sent again", () => {
    expect(readReply(answer(200, '{"status":"que'), queued, NOW).kind).toBe("retryable");
  });
});

describe("errors", () => {
  test.each([408, 425, 429, 500, 502, 503, 504, 507, 520, 530])("%d may succeed later", (status) => {
    expect(readReply(answer(status, {}), queued, NOW)).toMatchObject({ kind: "retryable", status });
  });

  test.each([301, 400, 401, 403, 404, 405, 413, 415, 422, 501, 505])("%d never will", (status) => {
    expect(readReply(answer(status, {}), queued, NOW)).toMatchObject({ kind: "refused", status });
  });

  test("the places of a 422 are read by the event's index, the first fault of each", () => {
    const errors = [
      { pointer: "/3/event_id", detail: "must be a UUID" },
      { pointer: "/3/topic", detail: "must not be empty" },
      { pointer: "/0", detail: "must be an object" },
      { pointer: "/topic", detail: "names no event of a batch" },
      { pointer: "", detail: "names the whole" },
      "no object",
    ];
    const reply = readReply(answer(422, { title: "Unprocessable", errors }), queued, NOW);
    expect(reply.kind === "refused" ? [...reply.places] : []).toEqual([
      [3, "/3/event_id: must be a UUID"],
      [0, "/0: must be an object"],
    ]);
  });

  test("the reason is the problem's detail, and bounded", () => {
    const reply = readReply(answer(422, { detail: "x".repeat(5000) }), queued, NOW);
    expect(reply.kind === "refused" ? reply.reason.length : 0).toBe(300);
  });
});

test("a reason can't drive the terminal it is shown on", () => {
  const reply = readReply(answer(422, { detail: "a\u001B[2J\nb\u009B" }), queued, NOW);
  expect(reply).toMatchObject({ reason: "422: a [2J b " });
});

describe("Retry-After", () => {
  test.each([
    ["7", 7000],
    [" 0 ", 0],
    ["Mon, 23 Nov 2026 15:56:00 GMT", 10_000],
    ["Mon, 23 Nov 2026 15:00:00 GMT", 0],
    ["soon", 0],
    ["-5", 0],
  ])("%s is %d ms", (text, ms) => {
    expect(readRetryAfter(text, NOW)).toBe(ms);
  });
});
