/**
 * Separates deliveries that Postgres can never store from those that it can.
 *
 * Called only after Postgres has blamed the data of a batch. Each delivery is examined by itself, with casts and the
 * tables' own rules, so nothing becomes a dead letter because of what it stood beside. The survivors go in by the same
 * one sorted statement as any batch, and the dead letters with them, so the position moves over both at once (P3).
 */
import type { Entry, Position } from "../queue/port.ts";
import type { Batch, BatchStore, DeadLetter, Standing } from "../store/port.ts";

export async function separatePoison(
  store: BatchStore,
  shard: number,
  from: Standing,
  entries: readonly Entry[],
  to: Position,
): Promise<Batch> {
  const texts: string[] = [];
  const seqs: number[] = [];
  const deadLetters: DeadLetter[] = [];
  let seq = from.seq;
  for (const entry of entries) {
    const place = { lastSeq: entry.position.seq, deliveries: entry.position.seq - seq };
    const examined = await examine(store, entry, place.deliveries);
    if (Array.isArray(examined)) {
      for (const { raw, refusal } of examined) {
        seq += 1;
        if (refusal === undefined) {
          texts.push(raw);
          seqs.push(seq);
        } else {
          deadLetters.push({ seq, deliveries: 1, raw, ...refusal });
        }
      }
    } else {
      const { sqlstate, reason } = examined as { sqlstate: string; reason: string };
      deadLetters.push({ seq: place.lastSeq, deliveries: place.deliveries, raw: entry.raw, sqlstate, reason });
      seq = place.lastSeq;
    }
  }
  return { shard, from, to, text: texts.join(","), deliveries: texts.length, seqs, deadLetters, entries };
}

async function examine(store: BatchStore, entry: Entry, placeDeliveries: number) {
  if (entry.content === undefined) return { sqlstate: "22000", reason: "the entry is of an unknown format" };
  if (entry.content.deliveries !== placeDeliveries) {
    const reason = `the entry announces ${entry.content.deliveries} deliveries and its place holds ${placeDeliveries}`;
    return { sqlstate: "22000", reason };
  }
  return store.examine(entry.content.text, placeDeliveries);
}
