/**
 * What `/events` promises to somebody who follows its links while others publish. Pure.
 *
 * A walk reads from the newest event down to the run's first, page by page. New events have timestamps anywhere among
 * the old ones, so some fall behind the reader and some before it. Then still:
 * - *order*: each row comes strictly after the one before it, by (timestamp, event_id, topic), over all pages; so no
 *   row comes twice;
 * - *nothing skipped*: the walk holds every row of the walk before it, and no fewer rows than `/stats` had counted when
 *   it began, nor more than when it ended;
 * - *a finished page stays*: read again by the same address, its rows are there in the same order, none missing between
 *   them; what is new may only push the last ones over the edge.
 */
import type { EventRecord } from "@sekali/contract";

export type Row = Pick<EventRecord, "topic" | "event_id" | "timestamp">;

/** Digits of a second are padded, so that texts compare like the instants they stand for. */
function instant(timestamp: string): string {
  const [second = "", fraction = ""] = timestamp.replace(/(Z|\+00:00)$/, "").split(".");
  return `${second}.${fraction.padEnd(6, "0")}`;
}

/** Texts of this form compare in the order in which Postgres compares the three columns, topics in the C collation. */
export function rowKey({ timestamp, event_id, topic }: Row): string {
  return `${instant(timestamp)} ${event_id} ${topic}`;
}

export function outOfOrder(keys: readonly string[]): string[] {
  return keys.filter((key, index) => index > 0 && key >= (keys[index - 1] as string));
}

export function skipped(before: readonly string[], now: readonly string[]): string[] {
  const there = new Set(now);
  return before.filter((key) => !there.has(key));
}

/** @param limit how many rows a page holds at most */
export function pageStayed(first: readonly string[], again: readonly string[], limit: number): boolean {
  const known = new Set(first);
  const kept = again.filter((key) => known.has(key));
  const fresh = again.length - kept.length;
  return kept.every((key, index) => key === first[index]) && kept.length >= Math.min(first.length, limit - fresh);
}
