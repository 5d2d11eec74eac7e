/**
 * What Postgres can never store is put straight into the stream, past all validation, surrounded by sound deliveries:
 * every SQLSTATE of the allow-list that can be had with less than gigabytes. Each becomes a dead letter by itself.
 */
import type { Draw } from "@sekali/aggregator/harness/draw";
import type { TestEvent } from "@sekali/aggregator/harness/event-factory";
import { eventually } from "@sekali/aggregator/harness/eventually";
import { addRawEntry } from "@sekali/aggregator/harness/redis-commands";
import { EventSource } from "../clients/event-source.ts";
import { SHARDS, type World } from "../stack/world.ts";
import type { Fault } from "./fault.ts";

interface Poison {
  readonly sqlstate: string;
  readonly what: string;
  /** The text of one bad delivery. */
  text(sound: TestEvent): string;
}

const DEEP = 20_000;

/** The event's text with one field's JSON in place of its own. */
function withField(field: keyof TestEvent, json: string): (sound: TestEvent) => string {
  return (sound) => JSON.stringify({ ...sound, [field]: "HERE" }).replace('"HERE"', () => json);
}

const BAD_DELIVERIES: readonly Poison[] = [
  { sqlstate: "22003", what: "a number out of range", text: withField("payload", '{"n":1e400000}') },
  { sqlstate: "22P02", what: "no UUID", text: withField("event_id", '"no-uuid"') },
  { sqlstate: "22P05", what: "a NUL in a string", text: withField("payload", '{"nul":"\\u0000"}') },
  { sqlstate: "22007", what: "no timestamp", text: withField("timestamp", '"soon"') },
  { sqlstate: "22008", what: "a day that does not exist", text: withField("timestamp", '"2025-02-30T00:00:00Z"') },
  { sqlstate: "22009", what: "an offset that does not exist", text: withField("timestamp", '"2025-01-01T00:00+99"') },
  { sqlstate: "23502", what: "a missing field", text: withField("source", "null") },
  { sqlstate: "23514", what: "a topic that is too long", text: withField("topic", `"${"t".repeat(300)}"`) },
  { sqlstate: "23514", what: "a source that is too long", text: withField("source", `"${"s".repeat(300)}"`) },
  { sqlstate: "23514", what: "a payload that is no object", text: withField("payload", "[1]") },
];

/** Entries of which nothing can be saved: all of their deliveries are one dead letter. */
const BAD_ENTRIES: readonly (Poison & { readonly announced: number })[] = [
  { sqlstate: "22P02", announced: 3, what: "text that is no JSON", text: () => '{"topic": nonsense' },
  { sqlstate: "22000", announced: 2, what: "fewer than announced", text: (sound) => JSON.stringify(sound) },
  {
    sqlstate: "54001",
    announced: 1,
    what: "nesting deeper than Postgres's stack",
    text: withField("payload", `{"a":${"[".repeat(DEEP)}${"]".repeat(DEEP)}}`),
  },
];

const DEAD_MS_MAX = 15_000;

function fieldsOf(text: string, deliveries: number): string[] {
  const fields = { v: "1", n: String(deliveries), b: String(text.length), r: `1x${deliveries}`, d: text };
  return Object.entries(fields).flat();
}

/** One entry with a bad delivery between two sound ones. */
async function addBadDelivery(world: World, draw: Draw, source: EventSource, poison: Poison): Promise<void> {
  const sound = [source.fresh(), source.fresh()];
  const texts = draw.shuffled([...sound.map((event) => JSON.stringify(event)), poison.text(source.fresh())]);
  await addEntry(world, draw, texts.join(","), texts.length, sound, 1);
}

async function addEntry(
  world: World,
  draw: Draw,
  text: string,
  deliveries: number,
  sound: readonly TestEvent[],
  dead: number,
): Promise<void> {
  const { history, name } = world;
  const entered = history.invoke(sound);
  await addRawEntry({
    url: world.servers.redis.url,
    prefix: name,
    shard: draw.integer(0, SHARDS - 1),
    deliveries,
    fields: fieldsOf(text, deliveries),
  });
  history.poisoned += dead;
  history.end(entered, "ok", "put into the stream");
}

export const poison: Fault = {
  name: "poison",
  title: `poison of ${BAD_DELIVERIES.length + BAD_ENTRIES.length} kinds put straight into the stream`,
  touches: ["redis"],
  injections: 10,
  perEpisode: 5,
  reduced: 1,
  async inject(world, draw) {
    const source = new EventSource(draw.fork());
    const before = await deadLetters(world);
    for (const bad of draw.shuffled(BAD_DELIVERIES)) await addBadDelivery(world, draw, source, bad);
    for (const bad of draw.shuffled(BAD_ENTRIES)) {
      await addEntry(world, draw, bad.text(source.fresh()), bad.announced, [], bad.announced);
    }
    const expected = [...BAD_DELIVERIES, ...BAD_ENTRIES].map(({ sqlstate }) => sqlstate).sort();
    const found = await eventually(
      async () => {
        const now = await deadLetters(world);
        if (now.length < before.length + expected.length) throw new Error(`${now.length} dead letters`);
        return now.slice(before.length).sort();
      },
      { within: DEAD_MS_MAX, what: `${expected.length} more dead letters` },
    );
    for (const sqlstate of found) world.count(sqlstate);
    if (String(found) !== String(expected)) world.complain(`dead letters say ${found}, put in were ${expected}`);
  },
};

/** Their SQLSTATEs, oldest first. */
async function deadLetters(world: World): Promise<string[]> {
  const rows = await world.sql<{ sqlstate: string }[]>`SELECT sqlstate FROM dead_letters ORDER BY dead_at, shard, seq`;
  return rows.map(({ sqlstate }) => sqlstate);
}
