/** What Postgres can never store: each kind is refused with the batch as the data's fault, and found by itself. */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { Unstorable } from "../../src/store/port.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent } from "../harness/event-factory.ts";
import { openSchema, type Schema } from "./schema.ts";

let schema: Schema;
// Hooks run in the order in which they are given: the schema goes before the server that it is in.
afterAll(async () => await schema[Symbol.asyncDispose]());
useBackingServers();
beforeAll(async () => {
  schema = await openSchema();
  await schema.takeUp(0);
});

/** An event's JSON text with one field's text in place of its own, or without it. */
function withField(name: string, text: string | undefined): string {
  const fields = Object.entries({ ...makeEvent() }).flatMap(([key, value]) => {
    if (key !== name) return [`${JSON.stringify(key)}:${JSON.stringify(value)}`];
    return text === undefined ? [] : [`${JSON.stringify(key)}:${text}`];
  });
  return `{${fields.join(",")}}`;
}

const POISON: readonly (readonly [kind: string, text: string, sqlstate: string])[] = [
  ["an event_id that is no UUID", withField("event_id", '"not-a-uuid"'), "22P02"],
  ["an event_id that is a number", withField("event_id", "7"), "22P02"],
  ["a number beyond numeric", withField("payload", '{"n":1e200000}'), "22003"],
  ["a number that numeric rounds away", withField("payload", '{"n":1e-20000}'), "22003"],
  ["a timestamp that is none", withField("timestamp", '"yesterday evening"'), "22007"],
  ["a timestamp out of the calendar", withField("timestamp", '"2026-02-30T00:00:00Z"'), "22008"],
  ["an offset out of range", withField("timestamp", '"2026-02-03T00:00:00+99:00"'), "22009"],
  ["NUL in the payload", withField("payload", String.raw`{"a":"\u0000"}`), "22P05"],
  ["NUL in the source", withField("source", String.raw`"a\u0000"`), "22P05"],
  ["NUL in a key", withField("payload", String.raw`{"\u0000":1}`), "22P05"],
  ["half a surrogate pair", withField("payload", String.raw`{"a":"\ud83d"}`), "22P02"],
  ["a missing topic", withField("topic", undefined), "23502"],
  ["a missing event_id", withField("event_id", undefined), "23502"],
  ["a missing timestamp", withField("timestamp", undefined), "23502"],
  ["a missing source", withField("source", undefined), "23502"],
  ["a missing payload", withField("payload", undefined), "23502"],
  ["a source that is null", withField("source", "null"), "23502"],
  ["a topic of 256 characters", withField("topic", JSON.stringify("é".repeat(256))), "23514"],
  ["an empty topic", withField("topic", '""'), "23514"],
  ["a source of 256 characters", withField("source", JSON.stringify("é".repeat(256))), "23514"],
  ["an empty source", withField("source", '""'), "23514"],
  ["a payload that is an array", withField("payload", "[]"), "23514"],
  ["a payload that is a string", withField("payload", '"a"'), "23514"],
  ["a payload that is null", withField("payload", "null"), "23502"],
  ["no event but a number", "1", "22023"],
  ["no event but an array", "[{}]", "22023"],
  ["no event but null", "null", "22023"],
];

async function refusals(texts: readonly string[]): Promise<(string | undefined)[]> {
  const examined = await schema.batches.examine(texts.join(","), texts.length);
  if (!Array.isArray(examined)) throw new Error(`the entry is refused whole: ${JSON.stringify(examined)}`);
  return examined.map((each) => each.refusal?.sqlstate);
}

const good = () => JSON.stringify(makeEvent());

describe("a batch is refused as unstorable, whole and with nothing changed", () => {
  test.each(POISON)("for %s", async (_kind, text) => {
    const before = await schema.content();
    const outcome: unknown = await schema.deliver(0, [good(), text, good()]).catch((error: unknown) => error);
    expect(outcome).toBeInstanceOf(Unstorable);
    expect(await schema.content()).toEqual(before);
  });
});

describe("the examination", () => {
  test.each(POISON)("finds %s, and nothing wrong with what stands beside it", async (_kind, text, sqlstate) => {
    expect(await refusals([good(), text, good()])).toEqual([undefined, sqlstate, undefined]);
  });

  test("says why, and gives each delivery's own text", async () => {
    const texts = [good(), withField("event_id", '"x"'), withField("payload", '{"n":1.10,  "s":"é"}')];
    const examined = await schema.batches.examine(texts.join(" ,\n"), 3);
    expect(examined).toEqual([
      { raw: texts[0] ?? "", refusal: undefined },
      { raw: texts[1] ?? "", refusal: { sqlstate: "22P02", reason: 'invalid input syntax for type uuid: "x"' } },
      { raw: texts[2] ?? "", refusal: undefined },
    ]);
  });

  test("finds every one of many, at its own place", async () => {
    const texts = POISON.flatMap(([, text]) => [text, good()]);
    expect(await refusals(texts)).toEqual(POISON.flatMap(([, , sqlstate]) => [sqlstate, undefined]));
  });

  test("writes nothing", async () => {
    const before = await schema.content();
    await refusals([good(), withField("event_id", '"x"')]);
    expect(await schema.content()).toEqual(before);
  });

  test("leaves survivors that go in by themselves", async () => {
    const texts = POISON.flatMap(([, text]) => [text, good()]);
    const examined = await schema.batches.examine(texts.join(","), texts.length);
    if (!Array.isArray(examined)) throw new Error("the entry is refused whole");
    const survivors = examined.filter((each) => each.refusal === undefined).map((each) => String(each.raw));
    expect(await schema.deliver(0, survivors)).toMatchObject({ unique: POISON.length });
  });
});

describe("an entry is refused whole where it can't be taken apart", () => {
  const NESTED = 100_000;

  test.each([
    ["it is no JSON", '{"a":', 1, "22P02"],
    ["it holds more deliveries than it announces", `${good()},${good()}`, 1, "22000"],
    ["it holds fewer deliveries than it announces", good(), 2, "22000"],
    ["it is empty", "", 1, "22000"],
    ["it nests too deep to be read", `${"[".repeat(NESTED)}${"]".repeat(NESTED)}`, 1, "54001"],
  ])("because %s", async (_name, text, announced, sqlstate) => {
    expect(await schema.batches.examine(text, announced)).toMatchObject({ sqlstate, reason: expect.any(String) });
    const stored: unknown = await schema.deliver(0, [text], { announced }).catch((error: unknown) => error);
    expect(stored).toBeInstanceOf(Unstorable);
  });

  test("because its bytes are no UTF-8", async () => {
    const [row] = await schema.sql`SELECT * FROM examine_entry('\\x7b22ff227d', 1)`;
    expect(row).toMatchObject({ ord: null, raw: null, refused_with: "22021" });
  });
});
