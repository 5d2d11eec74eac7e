import { describe, expect, test } from "bun:test";
import { EVERYBODY } from "../access/caller.ts";
import { RequestError } from "../problem.ts";
import { TooSlow, Unstorable } from "../store/port.ts";
import type { EventReader, EventsPage, EventsQuery } from "../store/reader-port.ts";
import { Admission } from "./admission.ts";
import { EventStreams } from "./event-streams.ts";
import { EventsRoute } from "./events-route.ts";

/** What no parameter at all asks for. */
const EVERYTHING = {
  topics: [">"],
  source: undefined,
  since: undefined,
  until: undefined,
  contains: [],
  text: undefined,
  order: "desc",
  after: undefined,
} as const;

const NO_LOG = { warn() {} };

const CURSOR = {
  timestamp: "2026-01-31T23:59:59.123456+00:00",
  event_id: "0198c0de-7a3b-7c1d-9e2f-0123456789ab",
  topic: "журнал.a<b&c=d",
};

function route(page: EventsPage = { rows: [], next: undefined }) {
  const queries: EventsQuery[] = [];
  const reader: EventReader = {
    async events(query) {
      queries.push(query);
      return page;
    },
  };
  const events = new EventsRoute(reader, new Admission(), new EventStreams(NO_LOG));
  return { queries, get: (query: string) => events.handle(new Request(`http://test/events${query}`), EVERYBODY) };
}

function nextOf(response: Response): string {
  return /^<\/events(\?[^>]*)>; rel="next"$/.exec(response.headers.get("link") ?? "")?.[1] ?? "no next page";
}

/** What the store is asked for. */
async function asked(query: string): Promise<Partial<EventsQuery>> {
  const { get, queries } = route();
  await get(query);
  return queries[0] ?? {};
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
    expect(queries).toEqual([{ ...EVERYTHING, limit: 50 }]);
  });

  test("is of the topic and as long as asked for", async () => {
    const { get, queries } = route();
    await get(`?topic=${encodeURIComponent(CURSOR.topic)}&limit=1`);
    await get("?limit=1000");
    expect(queries).toEqual([
      { ...EVERYTHING, topics: [CURSOR.topic], limit: 1 },
      { ...EVERYTHING, limit: 1000 },
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

describe("a filter", () => {
  test.each<[string, Partial<EventsQuery>]>([
    ["?topic=user.*", { topics: ["user.*"] }],
    ["?topic=user.%3E", { topics: ["user.>"] }],
    ["?source=a%20b", { source: "a b" }],
    ["?since=2026-01-01T00:00:00.000001%2B07:00", { since: "2026-01-01T00:00:00.000001+07:00" }],
    ["?until=2026-01-01T00:00:00Z&order=asc", { until: "2026-01-01T00:00:00Z", order: "asc" }],
    ["?q=50%25", { text: "50%" }],
    ["?payload.user.id=7", { contains: ['{"user":{"id":7}}'] }],
    ["?payload.n=1.10000000000000000000000001", { contains: ['{"n":1.10000000000000000000000001}'] }],
    ["?payload.a=&payload.b=null&payload.c=seven", { contains: ['{"a":""}', '{"b":null}', '{"c":"seven"}'] }],
    ['?payload.a="7"&payload.b=[1]&payload.c="', { contains: ['{"a":"7"}', '{"b":[1]}', '{"c":"\\""}'] }],
    ["?payload.a%22b=true", { contains: ['{"a\\"b":true}'] }],
  ])("%s goes to the store as it is meant", async (query, expected) => {
    expect(await asked(query)).toEqual({ ...EVERYTHING, limit: 50, ...expected });
  });

  test("that the store can't compare is the caller's fault, one that takes too long is told how to be quicker", async () => {
    const reader = (error: Error): EventReader => ({ events: () => Promise.reject(error) });
    const answer = async (error: Error) => {
      const events = new EventsRoute(reader(error), new Admission(), new EventStreams(NO_LOG));
      const reason: unknown = await events
        .handle(new Request("http://test/events?q=a"), EVERYBODY)
        .catch((caught) => caught);
      if (!(reason instanceof RequestError)) throw reason;
      return reason.problem;
    };
    expect(await answer(new Unstorable("22003: numeric field overflow"))).toMatchObject({ status: 422 });
    expect(await answer(new TooSlow("57014"))).toMatchObject({ status: 503, headers: { "retry-after": "2" } });
    expect((await answer(new TooSlow("57014"))).detail).toContain("`since`");
  });

  test("that costs much waits in a line of its own, and past its end is sent away", async () => {
    let started = 0;
    const { promise, resolve } = Promise.withResolvers<EventsPage>();
    const reader: EventReader = {
      events: ({ text }) => {
        started += 1;
        return text === undefined ? Promise.resolve({ rows: [], next: undefined }) : promise;
      },
    };
    const events = new EventsRoute(reader, new Admission(), new EventStreams(NO_LOG));
    const search = () =>
      events.handle(new Request("http://test/events?q=a"), EVERYBODY).catch((error: unknown) => error);
    const searches = Array.from({ length: 7 }, search);
    expect(await searches[6]).toMatchObject({ problem: { status: 503, name: "busy" } });
    expect(started).toBe(2);
    expect((await events.handle(new Request("http://test/events"), EVERYBODY)).status).toBe(200);
    resolve({ rows: [], next: undefined });
    const answers = (await Promise.all(searches.slice(0, 6))) as Response[];
    expect(answers.map(({ status }) => status)).toEqual(Array.from({ length: 6 }, () => 200));
  });
});

describe("the cursor", () => {
  test("goes out in the Link header and comes back as it was", async () => {
    const { get, queries } = route({ rows: ["{}"], next: CURSOR });
    const next = nextOf(await get("?limit=7"));
    await get(next);
    expect(queries[1]).toEqual({ ...EVERYTHING, limit: 7, after: CURSOR });
  });

  test("keeps the other parameters, and takes the place of the one before", async () => {
    const { get, queries } = route({ rows: ["{}"], next: CURSOR });
    const first = nextOf(await get(`?limit=7&topic=${encodeURIComponent(CURSOR.topic)}`));
    const second = nextOf(await get(first));
    expect(second).toBe(first);
    await get(second);
    expect(queries[2]).toEqual({ ...EVERYTHING, topics: [CURSOR.topic], limit: 7, after: CURSOR });
  });

  test.each([
    ["nothing", ""],
    ["no JSON", Buffer.from("hello").toString("base64url")],
    ["another array", Buffer.from("[1,2]").toString("base64url")],
    ["an object", Buffer.from("{}").toString("base64url")],
    ["no base64", "%%%%"],
    ["bytes that are no text", Buffer.from([0xff, 0xfe, 0x5b]).toString("base64url")],
    ["one of three parts", encode(CURSOR.timestamp, CURSOR.event_id, CURSOR.topic)],
    ["a timestamp that Postgres knows and nobody sent", encode("infinity", CURSOR.event_id, CURSOR.topic, "")],
    ["a timestamp out of the calendar", encode("2026-02-30T00:00:00Z", CURSOR.event_id, CURSOR.topic, "")],
    ["no UUID", encode(CURSOR.timestamp, "1", CURSOR.topic, "")],
    ["SQL", encode(CURSOR.timestamp, CURSOR.event_id, "a'; DROP TABLE events --", "")],
    ["NUL", encode(CURSOR.timestamp, CURSOR.event_id, "a\0", "")],
  ])("that is %s is refused", async (_name, cursor) => {
    expect(await refusal(`?cursor=${encodeURIComponent(cursor)}`)).toContain("`cursor`");
  });
});

test("the cursor of another query is refused, of the same with another limit not", async () => {
  const { get } = route({ rows: ["{}"], next: CURSOR });
  const cursor = new URLSearchParams(nextOf(await get("?topic=a&payload.b=1&payload.c=2"))).get("cursor") ?? "";
  for (const other of [
    "?topic=b&payload.b=1&payload.c=2",
    "?topic=a&payload.b=1",
    "?topic=a&payload.b=1&payload.c=3",
  ]) {
    expect(await refusal(`${other}&cursor=${cursor}`)).toContain("other filters");
  }
  expect(await refusal(`?topic=a&payload.b=1&payload.c=2&order=asc&cursor=${cursor}`)).toContain("another order");
  const same = await get(`?limit=3&payload.c=2&topic=a&payload.b=1&order=desc&cursor=${cursor}`);
  expect(same.status).toBe(200);
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

  test.each(["", "a..b", "a b", "a*", ">.a", "a.#", "\0", "a".repeat(256)])("topic=%j", async (topic) => {
    expect(await refusal(`?topic=${encodeURIComponent(topic)}`)).toStartWith("The query parameter `topic` must ");
  });

  test.each([
    ["source="],
    ["source=a%00"],
    ["since=yesterday"],
    ["since=2026-01-01T00:00:00"],
    ["until=2026-02-30T00:00:00Z"],
    ["until="],
    ["q="],
    ["q=%00"],
    [`q=${"a".repeat(257)}`],
    ["order=random"],
    ["order="],
    ["payload.=1"],
    ["payload.a..b=1"],
    ["payload.a=1e999"],
    ["payload.a=%00"],
    [`payload.a=${"[".repeat(70)}`],
    [`payload${".a".repeat(65)}=1`],
  ])("%s", async (query) => {
    expect(await refusal(`?${query}`)).toStartWith(`The query parameter \`${query.split("=")[0]?.slice(0, 64)}\` `);
  });

  test.each(["since", "until"])("a + in %s that has become a space is told as such", async (name) => {
    const words = "must have the + of its offset written as %2B: in a query, + is a space.";
    expect(await refusal(`?${name}=2026-01-01T00:00:00+07:00`)).toBe(`The query parameter \`${name}\` ${words}`);
    expect(await refusal(`?${name}=2026-01-01 12:00`)).toContain("must have an offset");
  });

  test("for more conditions than there may be", async () => {
    const query = Array.from({ length: 17 }, (_, index) => `payload.k${index}=1`).join("&");
    expect(await refusal(`?${query}`)).toContain("more than 16");
  });

  test("for a parameter that there is not", async () => {
    expect(await refusal("?topics=a")).toBe("There is no query parameter `topics`.");
    expect((await refusal(`?${"x".repeat(10_000)}=1`)).length).toBeLessThan(120);
  });

  test.each(["topic=a&topic=b", "limit=1&limit=1", "cursor=a&cursor=b"])("for %s", async (query) => {
    expect(await refusal(`?${query}`)).toEndWith("is there twice.");
  });
});
