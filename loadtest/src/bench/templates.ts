/**
 * The events of the benchmark: fixed texts around an id and a timestamp that are made on the way. The load generator
 * (in Lua) and Postgres alone (in TypeScript) get the same texts, so that both sides of a comparison carry the same
 * bytes.
 */
import { DUPLICATE_RATIO, SOURCES, TOPICS } from "@sekali/contract";

export interface Template {
  /** Everything before the id. */
  readonly head: string;
  /** Everything after the timestamp. Between the two stands `BETWEEN`. */
  readonly tail: string;
}

const BETWEEN = '","timestamp":"';
export const TEMPLATE_TOPICS: readonly string[] = TOPICS;

/** A duplicate repeats one of this many events before it. */
export const RECENT_MAX = 500;
export { DUPLICATE_RATIO };

export type IdVersion = "v4" | "v7";

export const TEMPLATES: readonly Template[] = TOPICS.flatMap((topic, t) =>
  SOURCES.map((source, s) => {
    const payload = `{"cpu_usage":${((t * 17 + s * 23) % 100) + 0.5},"memory":${512 + t * 128 + s},"status":"ok"}`;
    return {
      head: `{"topic":"${topic}","event_id":"`,
      tail: `","source":"${source}","payload":${payload}}`,
    };
  }),
);

/** One line a template, its parts parted by tabs (JSON texts hold none). */
export function templateFile(): string {
  return TEMPLATES.map(({ head, tail }) => `${head}\t${BETWEEN}\t${tail}\n`).join("");
}

let second = "";
let second_ms = 0;

/** Now, to the second; the digits after it only tell events apart. */
function timestamp(made: number): string {
  const now_ms = Date.now();
  if (now_ms - second_ms >= 1_000) {
    second_ms = now_ms - (now_ms % 1_000);
    second = new Date(second_ms).toISOString().slice(0, 20);
  }
  return `${second}${String(made % 1_000_000).padStart(6, "0")}Z`;
}

function eventId(version: IdVersion): string {
  return version === "v7" ? Bun.randomUUIDv7() : crypto.randomUUID();
}

/** Endless events, three in ten of them repeated unchanged. */
export function* events(version: IdVersion): Generator<string, never> {
  const recent: string[] = [];
  let made = 0;
  for (;;) {
    const repeated = recent[Math.floor(Math.random() * recent.length)];
    if (repeated !== undefined && Math.random() < DUPLICATE_RATIO) {
      yield repeated;
      continue;
    }
    const template = TEMPLATES[made % TEMPLATES.length] as Template;
    const text = `${template.head}${eventId(version)}${BETWEEN}${timestamp(made)}${template.tail}`;
    recent[made % RECENT_MAX] = text;
    made += 1;
    yield text;
  }
}
