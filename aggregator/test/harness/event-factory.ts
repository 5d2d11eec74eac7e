/**
 * Events for tests, drawn from a seed. The seed is printed with the first draw; `TEST_SEED=…` repeats a run's draws.
 */
import { Draw } from "./draw.ts";

export interface TestEvent {
  readonly topic: string;
  readonly event_id: string;
  readonly timestamp: string;
  readonly source: string;
  readonly payload: Record<string, unknown>;
}

const seed = Number(process.env["TEST_SEED"] ?? crypto.getRandomValues(new Uint32Array(1))[0]) >>> 0;
let drawing: Draw | undefined;

function draw(): Draw {
  if (drawing === undefined) console.info(`TEST_SEED=${seed}`);
  drawing ??= new Draw(seed);
  return drawing;
}

/** A number in [0, 1), from the seed of this run. */
export const random = (): number => draw().random();

/** An integer in [low, high]. */
export const integer = (low: number, high: number): number => draw().integer(low, high);

export const pick = <T>(from: readonly T[]): T => draw().pick(from);

export const shuffled = <T>(items: readonly T[]): T[] => draw().shuffled(items);

/** A UUIDv4 from the seed. */
export const uuid = (): string => draw().uuid();

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
