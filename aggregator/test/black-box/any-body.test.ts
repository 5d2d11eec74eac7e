/**
 * Any body at all, over HTTP, through Redis and Postgres: what is taken comes back equal from `/events`, what is
 * refused gets a 4xx that names the place, and nothing ends in a 5xx, a dead letter or a line of ERROR.
 *
 * `SEED=…` repeats a run. `make fuzz` runs this file for as long as it is told (`FUZZ_SECONDS`).
 */
import { beforeAll, expect, test } from "bun:test";
import fc from "fast-check";
import { contractArbitraries } from "../harness/arbitraries.ts";
import { type Essence, essenceOf, essencesOf } from "../harness/essence.ts";
import { type Problem, request, type StoredReply } from "../harness/http-client.ts";
import { useTarget } from "./target.ts";

// A flipped bit in a topic is another topic.
const target = useTarget({ TOPICS_MAX: "100000", LOG_LEVEL: "debug" });
const fuzzSeconds = Number(process.env["FUZZ_SECONDS"] ?? 0);
const TEST_MS_MAX = fuzzSeconds * 1000 + 90_000;
const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** Names that mean something to JavaScript, SQL, Redis, a shell, a URL or a terminal, and only names to us. */
const TOPICS = [
  ...["__proto__", "constructor", "toString", "hasOwnProperty", "$1", "a'b", "a''b", 'a"b', "a;DROP", "--", "a\\b"],
  ...["[a-z]?", "%00", "a%2Eb", "a&b=c", "a+b", "漢字", "🙂", "{0}", "a/./b", "NULL", "\u202eabc", "a\u0301"],
];
const SOURCES = [...TOPICS, "*", "a\nb", 'x","level":"error', "\u001b[31m", "\u007f\u009b2J", " ", "'; SELECT 1; --"];

let eventText: fc.Arbitrary<string>;

beforeAll(async () => {
  const { validEvent, payloadText } = await contractArbitraries();
  const named = fc.record({ topic: fc.constantFrom(...TOPICS), source: fc.constantFrom(...SOURCES) });
  // Identities are not drawn: a run that is repeated must find none of them stored.
  eventText = fc.tuple(validEvent, named, fc.boolean(), payloadText).map(([event, names, isOwn, payload]) => {
    const { payload: _none, ...rest } = { ...event, topic: names.topic, ...(isOwn ? {} : { source: names.source }) };
    return `${JSON.stringify(rest).slice(0, -1)},"payload":${payload}}`;
  });
});

type Damage = (bytes: Uint8Array) => Uint8Array;

/** What lies in wait in JSON, UTF-8 and in what reads them after us. */
const SPLINTERS = [
  ...["\\u0000", "\\ud800", "\\udc00x", "\\u12", "\\x", "\0", "\n", "\ufeff", "1e999", "-", "1e-20000", "0x10", "NaN"],
  ...["9".repeat(1001), `1${"0".repeat(400)}`, "[".repeat(70), '{"a":'.repeat(70), "]", "}", ",", ":", '"', "\\", "//"],
  ...['"topic":"x",', '"topic":null,', '"__proto__":{"topic":"x"},', '"payload":{},', '"payload":[],', '"extra":1,'],
  ...['"event_id":"x",', '"timestamp":"now",', '"source":"",', "null", "[]", "{}", "''"],
].map((text) => encoder.encode(text));
const RAW = [[0xff], [0xc0, 0x80], [0xed, 0xa0, 0x80], [0xf4, 0x90, 0x80, 0x80], [0xe2, 0x82], [0x80], [0x1b], [0x7f]];
const splinter = fc.constantFrom(...SPLINTERS, ...RAW.map((bytes) => Uint8Array.from(bytes)));

/** Somewhere in the bytes, as a share of their length: it stays where it is while a failure is made smaller. */
const place = fc.double({ min: 0, max: 1, noNaN: true });
const at = (bytes: Uint8Array, share: number) => Math.floor(share * bytes.length);
const joined = (...parts: Uint8Array[]) => new Uint8Array(Buffer.concat(parts));

const damage: fc.Arbitrary<Damage> = fc.oneof(
  place.map(
    (share): Damage =>
      (bytes) =>
        bytes.subarray(0, at(bytes, share)),
  ),
  fc.tuple(place, fc.nat(7)).map(
    ([share, bit]): Damage =>
      (bytes) => {
        const index = Math.min(at(bytes, share), bytes.length - 1);
        return bytes.length === 0 ? bytes : bytes.with(index, (bytes[index] ?? 0) ^ (1 << bit));
      },
  ),
  fc.tuple(place, splinter).map(
    ([share, extra]): Damage =>
      (bytes) => {
        return joined(bytes.subarray(0, at(bytes, share)), extra, bytes.subarray(at(bytes, share)));
      },
  ),
  // Between two fields, where most of the splinters make sense.
  fc.tuple(place, splinter).map(
    ([share, extra]): Damage =>
      (bytes) => {
        const comma = bytes.indexOf(0x2c, at(bytes, share)) + 1;
        return joined(bytes.subarray(0, comma), extra, bytes.subarray(comma));
      },
  ),
  fc.tuple(place, place).map(
    ([from, to]): Damage =>
      (bytes) => {
        const [start = 0, end = 0] = [at(bytes, from), at(bytes, to)].toSorted((a, b) => a - b);
        return joined(bytes.subarray(0, start), bytes.subarray(end));
      },
  ),
  fc.tuple(place, place).map(
    ([from, to]): Damage =>
      (bytes) => {
        const [start = 0, end = 0] = [at(bytes, from), at(bytes, to)].toSorted((a, b) => a - b);
        return joined(bytes.subarray(0, end), bytes.subarray(start));
      },
  ),
  fc.constantFrom("utf16le" as const).map((): Damage => (bytes) => Buffer.from(decoder.decode(bytes), "utf16le")),
);

const identified = (text: string) => text.replace(/"event_id":"[^"]*"/, `"event_id":"${crypto.randomUUID()}"`);

/** A share of the time that `make fuzz` was given, or so many runs. */
function bounds(runs: number, share: number) {
  if (fuzzSeconds === 0) return { numRuns: runs };
  const interruptAfterTimeLimit = fuzzSeconds * 1000 * share;
  return { numRuns: Number.MAX_SAFE_INTEGER, interruptAfterTimeLimit, markInterruptAsFailure: false };
}

interface Reply {
  readonly status: number;
  readonly text: string;
}

async function publish(body: Uint8Array): Promise<Reply> {
  const response = await request(`${target.url}/publish?ack=stored`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: new Uint8Array(body),
  });
  return { status: response.status, text: await response.text() };
}

/** The event as the store has it, asked for by its identity. */
async function stored({ topic, event_id }: Essence): Promise<Essence> {
  const path = `/events/${encodeURIComponent(topic)}/${event_id}`;
  const response = await request(`${target.url}${path}`);
  const text = await response.text();
  expect({ path, status: response.status }).toEqual({ path, status: 200 });
  return essenceOf(text);
}

/** Everything that was taken is stored, as it was sent; nothing of it became a dead letter. */
async function expectTaken(body: string, reply: string): Promise<void> {
  const verdicts = JSON.parse(reply) as StoredReply;
  const sent = essencesOf(body);
  expect(verdicts.results.length).toBe(sent.length);
  expect(verdicts.dead_lettered).toBe(0);
  // Of deliveries of one event in one request the first is kept.
  const firsts = new Map(sent.map((each) => [`${each.topic} ${each.event_id}`, each] as const).toReversed());
  expect(verdicts.unique).toBe(firsts.size);
  expect(await Promise.all([...firsts.values()].map(stored))).toEqual([...firsts.values()]);
}

/** A 4xx that says what is wrong, and where, in a reply that stays small. */
function expectRefused({ status, text }: Reply): void {
  const problem = JSON.parse(text) as Problem;
  expect([400, 413, 422]).toContain(status);
  expect(problem.status).toBe(status);
  expect(problem.detail?.length ?? 0).toBeGreaterThan(0);
  expect(text.length).toBeLessThan(20_000);
  const places = problem.errors ?? [];
  if (status === 422) expect(places.length).toBeGreaterThan(0);
  for (const { pointer, detail } of places) {
    expect(pointer).toMatch(/^(\/|$)/);
    expect(detail.length).toBeGreaterThan(0);
  }
}

test(
  "what is valid is taken, and comes back equal",
  async () => {
    const bodies = fc.array(eventText, { minLength: 1, maxLength: 8 });
    await fc.assert(
      fc.asyncProperty(bodies, async (events) => {
        const body = `[${events.map(identified).join(" ,\n")}]`;
        const reply = await publish(encoder.encode(body));
        expect(reply).toMatchObject({ status: 200 });
        await expectTaken(body, reply.text);
      }),
      bounds(60, 0.4),
    );
  },
  TEST_MS_MAX,
);

test(
  "what is damaged anywhere is taken and comes back equal, or is refused by name",
  async () => {
    const seen = { taken: 0, refused: 0 };
    const body = fc.array(eventText, { minLength: 1, maxLength: 3 });
    await fc.assert(
      fc.asyncProperty(body, fc.array(damage, { minLength: 1, maxLength: 3 }), async (events, damages) => {
        const texts = events.map(identified);
        const whole = encoder.encode(texts.length === 1 ? texts[0] : `[${texts.join(",")}]`);
        const bytes = damages.reduce<Uint8Array>((each, damage) => damage(each), whole);
        const reply = await publish(bytes);
        if (reply.status === 200) {
          seen.taken += 1;
          await expectTaken(decoder.decode(bytes), reply.text);
        } else {
          seen.refused += 1;
          expectRefused(reply);
        }
      }),
      bounds(250, 0.4),
    );
    console.info(`any-body: ${seen.taken} taken, ${seen.refused} refused`);
    // Damage of one kind only would show nothing.
    expect(Math.min(seen.taken, seen.refused)).toBeGreaterThan(0);
  },
  TEST_MS_MAX,
);

test("and after all of that every line of the log is whole, and none tells a fault", async () => {
  expect(target.faults).toEqual([]);
  expect((await target.stats()).dead_lettered).toBe(0);
  // Whatever the names, every line is one JSON object without a control character.
  for (const line of target.log.filter((text) => text !== "")) {
    expect(line).not.toMatch(/\p{Cc}/u);
    expect(JSON.parse(line)).toHaveProperty("msg");
  }
});
