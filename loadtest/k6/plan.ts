/**
 * What a run sends, worked out from its seed. Pure, and read from both sides: k6 prepares its bodies with it, and
 * the recount works out with it, delivery by delivery, which identities must be in the database. Neither has to
 * believe what the other one counted.
 *
 * - The *seed* fixes the pattern: which deliveries are duplicates, of which event, on which topic, with what
 *   content.
 * - The *run* (128 random bits) fixes the identities, so that the same seed can be sent again to the same database.
 *
 * Identities are numbered 0, 1, 2 … in the order in which a stream first sends them. So the first n deliveries of a
 * stream hold exactly 1 + (their greatest number) distinct identities.
 */
import { DUPLICATE_RATIO, SOURCES, TOPICS } from "../../contract/src/simulation.ts";
import { type RaceName, type RaceProfile, requestsPrepared, type Stream, type StreamName } from "./profiles.ts";

/**
 * The publisher's topics under a name of their own, because a simulator may be sending to the same service: what
 * these topics grow by is this run's alone. They are few and fixed, because the number of topics in an installation
 * is bounded.
 */
export const LOAD_TOPICS: readonly string[] = TOPICS.map((topic) => `load.${topic}`);

export const RACES: readonly RaceName[] = ["same_identity", "opposite_order", "many_topics"];

export interface Run {
  readonly run: string;
  readonly seed: number;
  readonly started_at_ms: number;
}

export interface Identity {
  readonly topic: string;
  readonly event_id: string;
}

export interface PreparedRequest {
  readonly body: string;
  readonly deliveries: number;
  /** How many identities this request is the first to send. */
  readonly fresh: number;
}

/**
 * A publisher repeats what it sent a moment ago, not what it sent last week: a duplicate repeats one of the last
 * few.
 */
const RECENT_IDENTITIES_MAX = 500;

/** Each kind of stream has numbers of its own, so that no two streams ever make the same identity. */
const LANES: Record<StreamName | RaceName, number> = {
  single: 1,
  batch: 2,
  stored: 3,
  same_identity: 4,
  opposite_order: 5,
  many_topics: 6,
};

/** The finalizer of MurmurHash3: a bijection on 32 bits in which each bit of the input moves each bit of the output. */
function mixed(value: number): number {
  let h = value | 0;
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, "0");
}

/** A version 4 UUID. Its first word alone is a bijection of the number, so that one lane never repeats itself. */
function eventId(run: string, lane: number, number: number): string {
  const word = (index: number): number => {
    const key = Number.parseInt(run.slice(index * 8, index * 8 + 8), 16);
    return mixed((mixed(key + lane) ^ number) + Math.imul(index, 0x9e3779b9));
  };
  const [a, b, c, d] = [word(0), word(1), word(2), word(3)];
  const version = 0x4000 | (b & 0x0fff);
  const variant = 0x8000 | (c & 0x3fff);
  return `${hex(a, 8)}-${hex(b >>> 16, 4)}-${hex(version, 4)}-${hex(variant, 4)}-${hex(c >>> 16, 4)}${hex(d, 8)}`;
}

function pick<T>(list: readonly T[], dice: number): T {
  return list[dice % list.length] as T;
}

/** Scattered events share a second with few thousand others, so that some have the same timestamp. */
const SCATTER_US = 1_000_000;

/** Microseconds after the start of the run: one for each number, or any within a second. */
function timestamp(run: Run, number: number, timestamps: Stream["timestamps"]): string {
  const micros = timestamps === "in_order" ? number : mixed(run.seed ^ number) % SCATTER_US;
  const millis = new Date(run.started_at_ms + Math.floor(micros / 1_000)).toISOString();
  return `${millis.slice(0, -1)}${String(micros % 1_000).padStart(3, "0")}Z`;
}

function identity(run: Run, lane: number, number: number): Identity {
  return { topic: pick(LOAD_TOPICS, mixed(run.seed + number + lane)), event_id: eventId(run.run, lane, number) };
}

function eventText(
  run: Run,
  lane: number,
  number: number,
  { topic, event_id }: Identity,
  timestamps: Stream["timestamps"] = "in_order",
): string {
  const dice = mixed(run.seed ^ mixed(number + lane));
  return JSON.stringify({
    topic,
    event_id,
    timestamp: timestamp(run, number, timestamps),
    source: pick(SOURCES, dice >>> 4),
    payload: {
      cpu_usage: (dice % 1_000) / 10,
      memory: 128 + (dice % 8_192),
      status: pick(["ok", "warning", "error"], dice >>> 8),
    },
  });
}

/** Which identity each delivery of a stream carries, in the order of sending. */
export function plannedDeliveries(seed: number, stream: Stream, requests: number): Uint32Array {
  const lane = LANES[stream.name];
  const planned = new Uint32Array(requests * stream.events_per_request);
  let fresh = 0;
  for (let delivery = 0; delivery < planned.length; delivery += 1) {
    const dice = mixed(mixed(seed + lane) + delivery);
    if (fresh > 0 && dice < DUPLICATE_RATIO * 2 ** 32) {
      planned[delivery] = fresh - 1 - (mixed(dice) % Math.min(fresh, RECENT_IDENTITIES_MAX));
    } else {
      planned[delivery] = fresh;
      fresh += 1;
    }
  }
  return planned;
}

/** The bodies of a stream, ready to send. A duplicate is the same text again. */
export function preparedRequests(run: Run, stream: Stream): PreparedRequest[] {
  const lane = LANES[stream.name];
  const planned = plannedDeliveries(run.seed, stream, requestsPrepared(stream));
  const prepared: PreparedRequest[] = [];
  let known = 0;
  for (let first = 0; first < planned.length; first += stream.events_per_request) {
    const before = known;
    const texts: string[] = [];
    for (const number of planned.subarray(first, first + stream.events_per_request)) {
      known = Math.max(known, number + 1);
      texts.push(eventText(run, lane, number, identity(run, lane, number), stream.timestamps));
    }
    const body = stream.events_per_request === 1 ? texts.join("") : `[${texts.join(",")}]`;
    prepared.push({ body, deliveries: texts.length, fresh: known - before });
  }
  return prepared;
}

export interface ExpectedIdentities {
  /** Each was in at least one acknowledged delivery: its row must be there, once. */
  readonly must: Identity[];
  /** Each was only in requests whose outcome the client never learnt: its row may be there, at most once. */
  readonly may: Identity[];
}

/**
 * @param requests how many requests of the stream were started (k6 numbers them without gaps)
 * @param unknown the numbers of those requests that were given up without an answer
 */
export function expectedIdentities(
  run: Run,
  stream: Stream,
  requests: number,
  unknown: ReadonlySet<number>,
): ExpectedIdentities {
  const lane = LANES[stream.name];
  const planned = plannedDeliveries(run.seed, stream, requests);
  const acknowledged = new Set<number>();
  const all = new Set<number>();
  planned.forEach((number, delivery) => {
    all.add(number);
    if (!unknown.has(Math.floor(delivery / stream.events_per_request))) {
      acknowledged.add(number);
    }
  });
  const must = [...acknowledged].map((number) => identity(run, lane, number));
  const may = [...all].filter((number) => !acknowledged.has(number)).map((number) => identity(run, lane, number));
  return { must, may };
}

/** What every caller of one round of a race sends, in one order; some turn it round. */
export function raceIdentities(run: Run, profile: RaceProfile, race: RaceName, round: number): Identity[] {
  const lane = LANES[race];
  if (race === "same_identity") {
    return [identity(run, lane, round)];
  }
  if (race === "many_topics") {
    const event_id = eventId(run.run, lane, round);
    return LOAD_TOPICS.map((topic) => ({ topic, event_id }));
  }
  const first = round * profile.batch_events;
  return Array.from({ length: profile.batch_events }, (_, index) => identity(run, lane, first + index));
}

/** The bodies of one round: in order, and turned round. */
export function raceBodies(run: Run, profile: RaceProfile, race: RaceName, round: number): [string, string] {
  const texts = raceIdentities(run, profile, race, round).map((one) => eventText(run, LANES[race], round, one));
  return [`[${texts.join(",")}]`, `[${[...texts].reverse().join(",")}]`];
}
