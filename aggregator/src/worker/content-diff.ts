/** What a conflict says otherwise, for a line of the log: bounded in number and length of what it shows. Pure. */
import diff, { type Difference } from "microdiff";
import type { Content } from "../store/audit-port.ts";

/** Enough to recognise what a publisher does wrong; whoever needs all of it asks `/duplicates`. */
const DIFFERENCES_MAX = 10;
const VALUE_CHARACTERS_MAX = 120;
const PATH_CHARACTERS_MAX = 120;

export interface ContentDifference {
  /** A JSON pointer (RFC 6901) into the event. */
  readonly path: string;
  /** JSON texts, cut where they are long; undefined where there is nothing. */
  readonly stored?: string;
  readonly dropped?: string;
}

export interface ContentDiff {
  readonly differences: readonly ContentDifference[];
  /** Differences that are not shown. */
  readonly left_out: number;
}

/** @returns undefined where a payload was too large to be kept or shown, and timestamp and source are the same. */
export function diffContents(stored: Content, dropped: Content): ContentDiff | undefined {
  const hasPayloads = stored.payload !== null && dropped.payload !== null;
  const differences = diff(parse(stored, hasPayloads), parse(dropped, hasPayloads), { cyclesFix: false });
  if (differences.length > 0) {
    return {
      differences: differences.slice(0, DIFFERENCES_MAX).map(describe),
      left_out: Math.max(0, differences.length - DIFFERENCES_MAX),
    };
  }
  if (stored.payload === null || dropped.payload === null) return undefined;
  // Postgres tells apart what JavaScript does not: digits beyond a double's.
  const whole = { path: "/payload", stored: cut(stored.payload), dropped: cut(dropped.payload) };
  return { differences: [whole], left_out: 0 };
}

/** A payload that is missing on one side is left out on both: it is no difference in itself. */
function parse({ timestamp, source, payload }: Content, withPayload: boolean): Record<string, unknown> {
  return withPayload ? { timestamp, source, payload: JSON.parse(payload ?? "null") as unknown } : { timestamp, source };
}

function describe(difference: Difference): ContentDifference {
  const pointer = difference.path.map((token) => `/${String(token).replaceAll("~", "~0").replaceAll("/", "~1")}`);
  const path = cut(pointer.join(""), PATH_CHARACTERS_MAX);
  switch (difference.type) {
    case "CREATE":
      return { path, dropped: show(difference.value) };
    case "REMOVE":
      return { path, stored: show(difference.oldValue) };
    case "CHANGE":
      return { path, stored: show(difference.oldValue), dropped: show(difference.value) };
  }
}

function show(value: unknown): string {
  return cut(JSON.stringify(value));
}

function cut(text: string, charactersMax = VALUE_CHARACTERS_MAX): string {
  return text.length <= charactersMax ? text : `${text.slice(0, charactersMax - 1)}…`.toWellFormed();
}
