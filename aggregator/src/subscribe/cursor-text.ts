/**
 * Cursors as text: the `id` of a server-sent event, `Last-Event-ID`, and `from`.
 *
 *     9f86d081~0:1kw.1:1jx        installation ~ shard:seq . shard:seq …, numbers to the base of 36
 *
 * Opaque to callers. The installation's short form keeps a cursor from being used on another database, where its
 * numbers would mean other events. 1,024 shards take about 11 KiB, which still fits into a header.
 */
import type { Cursor } from "../store/feed-port.ts";

const INSTALLATION_CHARACTERS = 8;
const BASE = 36;
const CURSOR_CHARACTERS_MAX = 16 * 1024;
const CURSOR_FORM = /^([0-9a-f]{8})~((?:[0-9a-z]{1,4}:[0-9a-z]{1,11}(?:\.|$))*)$/;

export function encodeCursorText(cursor: Cursor, installation: string): string {
  const places = [...cursor].sort(([a], [b]) => a - b).map(([shard, seq]) => `${digits(shard)}:${digits(seq)}`);
  return `${installation.slice(0, INSTALLATION_CHARACTERS)}~${places.join(".")}`;
}

function digits(number: number): string {
  return number.toString(BASE);
}

/** @returns "foreign" for another installation's cursor, undefined for what is no cursor at all. */
export function decodeCursorText(text: string, installation: string): Cursor | "foreign" | undefined {
  if (text.length > CURSOR_CHARACTERS_MAX) return undefined;
  const match = CURSOR_FORM.exec(text);
  if (match === null) return undefined;
  const [, of, places = ""] = match;
  if (of !== installation.slice(0, INSTALLATION_CHARACTERS)) return "foreign";
  const cursor = new Map<number, number>();
  for (const place of places.split(".")) {
    if (place === "") continue;
    const [shard = "", seq = ""] = place.split(":");
    if (!Number.isSafeInteger(Number.parseInt(seq, BASE))) return undefined;
    cursor.set(Number.parseInt(shard, BASE), Number.parseInt(seq, BASE));
  }
  return cursor;
}

/** True where `cursor` has come at least as far as `other` in every shard. */
export function hasReached(cursor: Cursor, other: Cursor): boolean {
  for (const [shard, seq] of other) if ((cursor.get(shard) ?? 0) < seq) return false;
  return true;
}

/** As far as the farther of both in each shard. */
export function farthest(a: Cursor, b: Cursor): Cursor {
  const result = new Map(a);
  for (const [shard, seq] of b) result.set(shard, Math.max(seq, result.get(shard) ?? 0));
  return result;
}
