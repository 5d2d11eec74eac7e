/**
 * Events for tests, drawn from a seed. The seed is printed once a run; `TEST_SEED=…` repeats a run's draws.
 */

export interface TestEvent {
  readonly topic: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly source: string;
  readonly payload: Record<string, unknown>;
}

const SEED_BITS = 32;
const seed = Number(process.env["TEST_SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0]) >>> 0;
console.info(`TEST_SEED=${seed}`);

/** Mulberry32, by Tommy Ettinger (public domain): small, seeded, and good enough to draw test data. */
function generator(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** SEED_BITS;
  };
}

/** A number in [0, 1), from the seed of this run. */
export const random: () => number = generator(seed);

/** An integer in [low, high]. */
export function integer(low: number, high: number): number {
  return low + Math.floor(random() * (high - low + 1));
}

export function pick<T>(from: readonly T[]): T {
  const drawn = from[integer(0, from.length - 1)];
  if (drawn === undefined) throw new Error("cannot pick from nothing");
  return drawn;
}

export function shuffled<T>(items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, rank: random() }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ item }) => item);
}

/** A UUIDv4 from the seed. */
export function uuid(): string {
  const bytes = Array.from({ length: 16 }, () => integer(0, 255));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** A topic nobody has used: not drawn from the seed, so that a repeated run on the same database starts afresh. */
export function freshTopic(name = "test"): string {
  return `${name}.${crypto.randomUUID()}`;
}

const SOURCES = ["web-frontend", "mobile-app", "service-a", "service-b"] as const;
const FIRST_INSTANT_MS = Date.UTC(2025, 0, 1);
const YEAR_MS = 365 * 24 * 3600 * 1000;

export function makeEvent(over: Partial<TestEvent> = {}): TestEvent {
  return {
    topic: "test.default",
    event_id: uuid(),
    timestamp: new Date(FIRST_INSTANT_MS + integer(0, YEAR_MS)).toISOString(),
    source: pick(SOURCES),
    payload: { cpu_usage: integer(0, 100), memory: integer(0, 65_536), status: pick(["ok", "degraded", "failed"]) },
    ...over,
  };
}

export function makeEvents(count: number, over: Partial<TestEvent> = {}): TestEvent[] {
  return Array.from({ length: count }, () => makeEvent(over));
}

/** `unique` new events, of which each is delivered once, and `resent` of them again, in a random order. */
export function withDuplicates(unique: number, resent: number, over: Partial<TestEvent> = {}): TestEvent[] {
  const events = makeEvents(unique, over);
  return shuffled([...events, ...Array.from({ length: resent }, () => pick(events))]);
}

/** Cuts a list into batches of at most `size`. */
export function batchesOf<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, index) =>
    items.slice(index * size, (index + 1) * size),
  );
}

/** What makes two deliveries the same event. UUIDs are compared without case. */
export function identityOf(event: Pick<TestEvent, "topic" | "event_id">): string {
  return `${event.topic} ${event.event_id.toLowerCase()}`;
}
