/**
 * What of an event must come back as it was sent, whatever else became of its text: JSON values with exact decimals,
 * the last of keys that repeat, the same instant, the UUID in lower case.
 */
import { canonicalValue } from "./canonical-json.ts";

export interface Essence {
  readonly topic: string;
  readonly event_id: string;
  /** Microseconds since the Unix epoch. */
  readonly instant: bigint;
  readonly source: string;
  /** The payload's values in their canonical form. */
  readonly payload: string;
}

/** @param text an event's own, or that of a record, which has other fields beside it. */
export function essenceOf(text: string): Essence {
  return essenceIn(canonicalValue(text));
}

/** @param text a body's: one event or an array of them. */
export function essencesOf(text: string): Essence[] {
  const value = canonicalValue(text);
  return (Array.isArray(value) ? value : [value]).map(essenceIn);
}

function essenceIn(value: unknown): Essence {
  const fields = new Map((value as { entries: [string, unknown][] }).entries);
  const text = (name: string) => {
    const field = fields.get(name);
    if (typeof field !== "string") throw new Error(`${name} is no text: ${JSON.stringify(field)}`);
    return field;
  };
  return {
    topic: text("topic"),
    event_id: text("event_id").toLowerCase(),
    instant: instantOf(text("timestamp")),
    source: text("source"),
    payload: JSON.stringify(fields.get("payload")),
  };
}

/** Microseconds since the Unix epoch: a Date has milliseconds only. No offset means UTC. */
export function instantOf(timestamp: string): bigint {
  const form = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:[Zz]|([+-])(\d\d)(?::?(\d\d))?)?$/;
  const parts = form.exec(timestamp);
  if (parts === null) throw new Error(`no timestamp: ${timestamp}`);
  const number = (index: number) => Number(parts[index] ?? 0);
  const date = new Date(0);
  date.setUTCFullYear(number(1), number(2) - 1, number(3));
  date.setUTCHours(number(4), number(5), number(6));
  const offsetMinutes = (number(9) * 60 + number(10)) * (parts[8] === "-" ? -1 : 1);
  const micros = BigInt((parts[7] ?? "").padEnd(6, "0"));
  return (BigInt(date.getTime()) - BigInt(offsetMinutes * 60_000)) * 1000n + micros;
}
