/**
 * The events of the benchmark: fixed texts around an id that is made on the way. The load generator (in Lua) and
 * Postgres alone (in TypeScript) get the same texts, so that both sides of a comparison carry the same bytes.
 */
import { DUPLICATE_RATIO, SOURCES, TOPICS } from "@sekali/contract";

export interface Template {
  /** Everything before the id, and everything after it. */
  readonly head: string;
  readonly tail: string;
}

/** A duplicate repeats one of this many events before it. */
export const RECENT_MAX = 500;
export { DUPLICATE_RATIO };

export type IdVersion = "v4" | "v7";

export const TEMPLATES: readonly Template[] = TOPICS.flatMap((topic, t) =>
  SOURCES.map((source, s) => {
    const payload = `{"cpu_usage":${((t * 17 + s * 23) % 100) + 0.5},"memory":${512 + t * 128 + s},"status":"ok"}`;
    return {
      head: `{"topic":"${topic}","event_id":"`,
      tail: `","timestamp":"2026-01-0${t + 1}T12:00:0${s}.000${t}${s}0Z","source":"${source}","payload":${payload}}`,
    };
  }),
);

/** One line a template, head and tail parted by a tab (JSON texts hold none). */
export function templateFile(): string {
  return TEMPLATES.map(({ head, tail }) => `${head}\t${tail}\n`).join("");
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
    const text = `${template.head}${eventId(version)}${template.tail}`;
    recent[made % RECENT_MAX] = text;
    made += 1;
    yield text;
  }
}
