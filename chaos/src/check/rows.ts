/** Reads what is stored, past the program and with every index off. */
import type { Database } from "@sekali/aggregator/harness/database";
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
  readonly recount: Recount;
}

export async function readStored(sql: Database): Promise<Stored> {
  const counted = await recount(sql);
  const rows = await sql.begin("isolation level repeatable read read only", async (transaction) => {
    await transaction.unsafe(
      "SET LOCAL enable_indexscan = off; SET LOCAL enable_indexonlyscan = off; SET LOCAL enable_bitmapscan = off",
    );
    return await transaction.unsafe<Record<string, string>[]>(
      `SELECT topic, event_id::text, extract(epoch FROM "timestamp")::text AS seconds, source, payload::text
       FROM events`,
    );
  });
  return {
    recount: counted,
    rows: rows.map((row) => ({
      topic: row["topic"] ?? "",
      event_id: row["event_id"] ?? "",
      timestampMs: Math.round(Number(row["seconds"]) * 1000),
      source: row["source"] ?? "",
      payload: JSON.parse(row["payload"] ?? "null"),
    })),
  };
}
