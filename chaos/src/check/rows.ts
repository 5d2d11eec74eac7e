/** Reads what is stored, past the program and with every index off. */
import type { Database } from "@sekali/aggregator/harness/database";
import { identityOf } from "@sekali/aggregator/harness/event-factory";
import { type Recount, recount } from "@sekali/aggregator/harness/recount";

export interface StoredRow {
  readonly topic: string;
  readonly event_id: string;
  /** Milliseconds since the Unix epoch. */
  readonly timestampMs: number;
  readonly source: string;
  readonly payload: unknown;
}

export interface Stored {
  readonly rows: readonly StoredRow[];
  /** Deliveries of each identity that the audit says were dropped. */
  readonly dropped: ReadonlyMap<string, number>;
  readonly recount: Recount;
}

export async function readStored(sql: Database): Promise<Stored> {
  const counted = await recount(sql);
  const [rows, audit] = await sql.begin("isolation level repeatable read read only", async (transaction) => {
    await transaction.unsafe(
      "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off",
    );
    const events = await transaction.unsafe<Record<string, string>[]>(
      `SELECT topic, event_id::text, extract(epoch FROM "timestamp")::text AS seconds, source, payload::text
       FROM events`,
    );
    const dropped = await transaction.unsafe<{ topic: string; event_id: string; deliveries: number }[]>(
      "SELECT topic, event_id::text, count(*)::int AS deliveries FROM duplicates GROUP BY topic, event_id",
    );
    return [events, dropped] as const;
  });
  return {
    recount: counted,
    dropped: new Map(audit.map((each) => [identityOf(each), each.deliveries])),
    rows: rows.map((row) => ({
      topic: row["topic"] ?? "",
      event_id: row["event_id"] ?? "",
      timestampMs: Math.round(Number(row["seconds"]) * 1000),
      source: row["source"] ?? "",
      payload: JSON.parse(row["payload"] ?? "null"),
    })),
  };
}
