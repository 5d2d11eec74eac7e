/**
 * A line of pino's as an event. Pure.
 *
 * | event | from |
 * |---|---|
 * | `topic` | the template: `{level}` is the level's name, another name a field, dotted for nested ones |
 * | `timestamp` | `time`, in milliseconds, in seconds, or as ISO 8601 |
 * | `source` | the option, else the record's `name`, else its `hostname` |
 * | `payload` | the record, as pino wrote it: numbers keep their digits |
 *
 * A record must not be lost for what it says, so what can't be kept is replaced: NUL and lone surrogates by U+FFFD,
 * what nests too deep by its JSON text, and a line that is no record at all is its own `msg`.
 */
import { sourceFault } from "@sekali/contract/identifiers";
import { judgeText } from "@sekali/contract/json-text";
import { PAYLOAD_DEPTH_MAX, SOURCE_CHARACTERS_MAX } from "@sekali/contract/limits";
import { timestampFault } from "@sekali/contract/timestamp";
import { fillTopic } from "@sekali/contract/topic-template";
import { type NewEvent, RawJson } from "./index.ts";

export type RecordSettings = { readonly topic: string; readonly source: string | undefined };

type Fields = Record<string, unknown>;

/** Pino's own; a level in between counts as the one below it. */
const LEVELS: readonly (readonly [number, string])[] = [
  [60, "fatal"],
  [50, "error"],
  [40, "warn"],
  [30, "info"],
  [20, "debug"],
];
const LEAST_LEVEL = "trace";

const SOURCE_UNKNOWN = "pino";
const REPLACEMENT = "\uFFFD";
/** In milliseconds this is March 1973, in seconds the year 5138. */
const SECONDS_MAX = 100_000_000_000;
/** Below it, doubles are written with exponents that no number of an event may have. */
const NUMBER_LEAST = 1e-300;

export function eventOfLine(line: string, settings: RecordSettings): NewEvent {
  const record = parseRecord(line);
  const fields = record ?? { msg: line };
  return {
    topic: fillTopic(settings.topic, (name) => (name === "level" ? levelOf(fields["level"]) : textAt(fields, name))),
    timestamp: timeOf(fields["time"]),
    source: sourceOf(fields, settings.source),
    payload: record !== undefined && isKeepable(line) ? new RawJson(line) : (keepable(fields, 1) as object),
  };
}

function parseRecord(line: string): Fields | undefined {
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function levelOf(level: unknown): string {
  if (typeof level !== "number") return typeof level === "string" ? level : LEAST_LEVEL;
  return LEVELS.find(([least]) => level >= least)?.[1] ?? LEAST_LEVEL;
}

/** A field of that very name first: names may hold dots themselves. */
function textAt(fields: Fields, name: string): string | undefined {
  let value: unknown = fields;
  if (Object.hasOwn(fields, name)) value = fields[name];
  else
    for (const part of name.split(".")) value = isObject(value) && Object.hasOwn(value, part) ? value[part] : undefined;
  return typeof value === "string" || typeof value === "number" || typeof value === "boolean"
    ? String(value)
    : undefined;
}

/** Undefined where it tells no time: then the time of reading counts. */
function timeOf(time: unknown): string | undefined {
  if (typeof time === "string") return timestampFault(time) === undefined ? time : undefined;
  if (typeof time !== "number") return undefined;
  const date = new Date(Math.abs(time) < SECONDS_MAX ? time * 1000 : time);
  const text = Number.isNaN(date.getTime()) ? "" : date.toISOString();
  return timestampFault(text) === undefined ? text : undefined;
}

function sourceOf(fields: Fields, given: string | undefined): string {
  const named = [given, fields["name"], fields["hostname"]].find((name) => typeof name === "string" && name !== "");
  const source = String(named ?? SOURCE_UNKNOWN);
  if (sourceFault(source) === undefined) return source;
  return Array.from(cleanText(source)).slice(0, SOURCE_CHARACTERS_MAX).join("");
}

function isKeepable(line: string): boolean {
  return judgeText(line, PAYLOAD_DEPTH_MAX) === "clean";
}

function keepable(value: unknown, depth: number): unknown {
  if (typeof value === "string") return cleanText(value);
  if (typeof value === "number") return Math.abs(value) < NUMBER_LEAST ? 0 : value;
  if (typeof value !== "object" || value === null) return value;
  if (depth > PAYLOAD_DEPTH_MAX) return cleanText(JSON.stringify(value));
  if (Array.isArray(value)) return value.map((each) => keepable(each, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([name, each]) => [cleanText(name), keepable(each, depth + 1)]));
}

function cleanText(text: string): string {
  return text.replaceAll("\0", REPLACEMENT).toWellFormed();
}

function isObject(value: unknown): value is Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
