/** Holds what a subscriber was sent to the rows themselves. */
import { expect } from "bun:test";
import type { Database } from "./database.ts";
import { identityOf } from "./event-factory.ts";
import type { Follower } from "./follower.ts";

interface Place {
  readonly shard: number;
  readonly index: number;
}

/** For each shard the number of its rows, and for each identity its place among them in the order of seq. */
async function placesOf(sql: Database, matches: (topic: string) => boolean) {
  const rows = await sql<{ topic: string; event_id: string; shard: number }[]>`
    SELECT topic, event_id, shard FROM events ORDER BY shard, seq`;
  const lengths = new Map<number, number>();
  const places = new Map<string, Place>();
  for (const row of rows.filter(({ topic }) => matches(topic))) {
    const index = lengths.get(row.shard) ?? 0;
    places.set(identityOf(row), { shard: row.shard, index });
    lengths.set(row.shard, index + 1);
  }
  return { places, lengths };
}

/**
 * Every row came, in the order of its shard, none was passed over at any time, and none came twice on a connection.
 * For a subscriber that has been there from the beginning.
 */
export async function expectFollowed(
  sql: Database,
  follower: Follower,
  matches: (topic: string) => boolean = () => true,
): Promise<void> {
  const { places, lengths } = await placesOf(sql, matches);
  const next = new Map<number, number>();
  const faults: string[] = [];
  for (const [number, events] of follower.connections.entries()) {
    const last = new Map<number, number>();
    for (const event of events) {
      const place = places.get(identityOf(event));
      if (place === undefined) {
        faults.push(`${identityOf(event)} is not stored, or was not asked for`);
        continue;
      }
      const { shard, index } = place;
      if (index <= (last.get(shard) ?? -1)) faults.push(`connection ${number}: ${index} of shard ${shard} comes late`);
      if (index > (next.get(shard) ?? 0)) faults.push(`connection ${number}: ${index} of shard ${shard} comes early`);
      last.set(shard, index);
      next.set(shard, Math.max(index + 1, next.get(shard) ?? 0));
    }
  }
  expect(faults.slice(0, 10)).toEqual([]);
  expect(new Map([...next].sort())).toEqual(new Map([...lengths].sort()));
}
