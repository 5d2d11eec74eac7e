/**
 * Names and payloads that mean something to JavaScript, SQL, Redis, a pattern, a URL or a terminal. To us they are
 * text, in what is stored, in every query that asks for it, and in every line of the log.
 */
import { expect, test } from "bun:test";
import { canonicalJson } from "../harness/canonical-json.ts";
import { freshTopic, makeEvent } from "../harness/event-factory.ts";
import { request } from "../harness/http-client.ts";
import { useTarget } from "./target.ts";

const target = useTarget({ LOG_LEVEL: "debug" });

const TEXTS = [
  ...["__proto__", "constructor", "toString", "hasOwnProperty", "$1", "#{x}", "a'b", 'a"b', "a`b", "a\\b", "\\x00"],
  ...["';DROP/**/TABLE/**/events;--", "1'OR'1'='1", "%", "_", "a%b", "[a-z]?", "{a}", "^a$", "(a|b)+", "a&b=c", "a+b"],
  ...["%00", "%2527", "NULL", "true", "-0", "1e9", "漢字", "🙂", "\u202eabc", "a\ufeffb", "\r\nX:y", "FLUSHALL\r\n"],
  ...['x","level":"error","y":"', "\u001b[31m", "\u007f\u009b2J", "a\nb", " ", "\u0085\u2028", "*", "a".repeat(255)],
];
const isTopic = (text: string) => !/[\s\p{C}*>#]/u.test(text);

async function find(parameters: Record<string, string>): Promise<unknown> {
  const query = new URLSearchParams(parameters);
  const response = await request(`${target.url}/events?${query}`);
  return { status: response.status, found: await response.json() };
}

test.each(TEXTS)("%j is stored and found as it is", async (text) => {
  const topic = isTopic(text) && text.length < 200 ? `${text}.${freshTopic(text)}` : freshTopic();
  const payload = Object.fromEntries([[text, [text, { [text]: text }]]]);
  Object.defineProperty(payload, "key", { value: text, enumerable: true });
  const event = makeEvent({ topic, source: text, payload });
  const conflicting = { ...event, payload: { key: `not ${text}` }, source: `other ${text}`.slice(0, 255) };
  const reply = await target.publisher.publishStored([event, conflicting, makeEvent({ topic, source: "x" })]);
  expect(reply.results).toEqual(["stored", "duplicate", "stored"]);
  const found = { status: 200, found: [expect.objectContaining({ topic, source: text, event_id: event.event_id })] };
  expect(await find({ topic, source: text })).toMatchObject(found);
  expect(await find({ topic, "payload.key": JSON.stringify(text) })).toMatchObject(found);
  expect(await find({ topic, q: text })).toMatchObject({ status: 200 });
  const [shown] = (await target.page(topic, `&source=${encodeURIComponent(text)}`)).events;
  expect(canonicalJson(JSON.stringify(shown?.payload))).toBe(canonicalJson(JSON.stringify(payload)));
  expect((await target.stats()).topics).toContain(topic);
});

const PATHS = ["/events", "/events/a/b", "/duplicates", "/topics", "/stats", "/subscribe", "/dead-letters", "/workers"];
const NAMES = ["topic", "source", "since", "until", "q", "order", "limit", "cursor", "from", "payload.a", "__proto__"];

/** Found, unknown, of another query, expired, not understood. */
const FITTING = [200, 404, 409, 410, 422];

test("whatever a query asks, the answer is what fits it or what does not", async () => {
  const cursors = [
    [],
    ["a"],
    [null],
    [{}],
    [["x"]],
    ["2026-01-01T00:00:00Z", "'", "\0", "__proto__"],
    { length: 4 },
  ].map((parts) => Buffer.from(JSON.stringify(parts)).toString("base64url"));
  const unfit: object[] = [];
  for (const path of PATHS) {
    for (const name of NAMES) {
      for (const value of [...TEXTS, ...cursors, "0001-01-01", "infinity", "9".repeat(30), "\0", ""]) {
        // What has no end is asked for its head only.
        const method = path === "/subscribe" ? "HEAD" : "GET";
        const response = await request(`${target.url}${path}?${new URLSearchParams({ [name]: value })}`, { method });
        if (!FITTING.includes(response.status)) unfit.push({ path, name, value, status: response.status });
      }
    }
  }
  expect(unfit).toEqual([]);
});

test("and after all of that every line of the log is whole, and none tells a fault", () => {
  expect(target.faults).toEqual([]);
  for (const line of target.log.filter((text) => text !== "")) {
    expect(line).not.toMatch(/[\p{Cc}\u2028\u2029]/u);
    expect(JSON.parse(line)).toHaveProperty("msg");
  }
});
