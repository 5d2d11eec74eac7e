import { describe, expect, test } from "bun:test";
import { RequestError } from "../problem.ts";
import type { EventStore, EventsPage, EventsQuery } from "../store/port.ts";
import { EventsRoute } from "./events-route.ts";

const CURSOR = {
  timestamp: "2026-01-31T23:59:59.123456+00:00",
  event_id: "0198c0de-7a3b-7c1d-9e2f-0123456789ab",
  topic: "журнал.a<b&c=d",
};

function route(page: EventsPage = { rows: [], next: undefined }) {
  const queries: EventsQuery[] = [];
  const store: EventStore = {
    async events(query) {
      queries.push(query);
      return page;
    },
    tally: () => Promise.reject(new Error("not asked")),
    ping: () => Promise.reject(new Error("not asked")),
  };
  const events = new EventsRoute(store);
  return { queries, get: (query: string) => events.handle(new Request(`http://test/events${query}`)) };
}

function nextOf(response: Response): string {
  return /^<\/events(\?[^>]*)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1] ?? "no next page";
}

async function refusal(query: string): Promise<string> {
  const { get, queries } = route();
  const error: unknown = await get(query).catch((reason: unknown) => reason);
  if (!(error instanceof RequestError)) throw new Error("it was not refused");
  expect([queries, error.problem.status, error.problem.name]).toEqual([[], 422, "unacceptable"]);
  return error.problem.detail ?? "";
}

describe("a page", () => {
  test("is 50 events of all topics where nothing else is asked for", async () => {
    const { get, queries } = route();
    await get("");
    expect(queries).toEqual([{ topic: undefined, limit: 50, after: undefined }]);
  });

  test("is of the topic and as long as asked for", async () => {
    const { get, queries } = route();
    await get(`?topic=${encodeURIComponent(CURSOR.topic)}&limit=1`);
    await get("?limit=1000");
    expect(queries).toEqual([
      { topic: CURSOR.topic, limit: 1, after: undefined },
      { topic: undefined, limit: 1000, after: undefined },
    ]);
  });

  test("carries the rows as they are, numbers with all their digits", async () => {
    const rows = ['{"payload":{"n":1.10}}', '{"payload":{"n":123456789012345678901234567890}}'];
    const response = await route({ rows, next: undefined }).get("");
    expect(await response.text()).toBe(`[${rows.join(",")}]`);
    expect([response.status, response.headers.get("content-type"), response.headers.get("link")]).toEqual([
      200,
      "application/json",
      null,
    ]);
  });

  test("without events is an empty array", async () => {
    expect(await (await route().get("?topic=none")).text()).toBe("[]");
  });
});

describe("the cursor", () => {
  test("goes out in the Link header and comes back as it was", async () => {
    const { get, queries } = route({ rows: ["{}"], next: CURSOR });
    const next = nextOf(await get("?limit=7"));
    await get(next);
    expect(queries[1]).toEqual({ topic: undefined, limit: 7, after: CURSOR });
  });

  test("keeps the other parameters, and takes the place of the one before", async () => {
    const { get, queries } = route({ rows: ["{}"], next: CURSOR });
    const first = nextOf(await get(`?limit=7&topic=${encodeURIComponent(CURSOR.topic)}`));
    const second = nextOf(await get(first));
    expect(second).toBe(first);
    await get(second);
    expect(queries[2]).toEqual({ topic: CURSOR.topic, limit: 7, after: CURSOR });
  });

  test.each([
    ["nothing", ""],
    ["no JSON", Buffer.from("hello").toString("base64url")],
    ["another array", Buffer.from("[1,2]").toString("base64url")],
    ["an object", Buffer.from("{}").toString("base64url")],
    ["no base64", "%%%%"],
    ["bytes that are no text", Buffer.from([0xff, 0xfe, 0x5b]).toString("base64url")],
    ["a timestamp that Postgres knows and nobody sent", encode("infinity", CURSOR.event_id, CURSOR.topic)],
    ["a timestamp out of the calendar", encode("2026-02-30T00:00:00Z", CURSOR.event_id, CURSOR.topic)],
    ["no UUID", encode(CURSOR.timestamp, "1", CURSOR.topic)],
    ["SQL", encode(CURSOR.timestamp, CURSOR.event_id, "a'; DROP TABLE events --")],
    ["NUL", encode(CURSOR.timestamp, CURSOR.event_id, "a\0")],
  ])("that is %s is refused", async (_name, cursor) => {
    expect(await refusal(`?cursor=${encodeURIComponent(cursor)}`)).toContain("`cursor`");
  });
});

function encode(...parts: string[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

describe("a query is refused by name", () => {
  test.each(["0", "1001", "-1", "1.5", "ten", "", "1e2", "99999999999", " 5", "0x10"])("limit=%s", async (limit) => {
    expect(await refusal(`?limit=${encodeURIComponent(limit)}`)).toBe(
      "The query parameter `limit` takes a whole number from 1 to 1000.",
    );
  });

  test.each(["", "a..b", "a b", "*", "\0", "a".repeat(256)])("topic=%j", async (topic) => {
    expect(await refusal(`?topic=${encodeURIComponent(topic)}`)).toStartWith("The query parameter `topic` must ");
  });

  test("for a parameter that there is not", async () => {
    expect(await refusal("?topics=a")).toBe("There is no query parameter `topics`.");
    expect((await refusal(`?${"x".repeat(10_000)}=1`)).length).toBeLessThan(120);
  });

  test.each(["topic=a&topic=b", "limit=1&limit=1", "cursor=a&cursor=b"])("for %s", async (query) => {
    expect(await refusal(`?${query}`)).toEndWith("is there twice.");
  });
});
