/** The recount's findings as expectations of a test. */
import { expect } from "bun:test";
import type { Database } from "./database.ts";
import { identityOf } from "./event-factory.ts";
import type { Ledger } from "./ledger.ts";
import { type Recount, recount } from "./recount.ts";

/**
 * Holds the database to a publisher's ledger: every acknowledged identity is stored once, every acknowledged delivery
 * is counted once, and what is counted beyond that was sent too, though its answer was lost.
 */
export async function expectExact(sql: Database, ledger: Ledger): Promise<Recount> {
  const result = await recount(sql);
  expect(result.faults).toEqual([]);
  const rows = await sql<{ topic: string; event_id: string }[]>`SELECT topic, event_id FROM identities`;
  const stored = new Set(rows.map(identityOf));
  const missing = [...ledger.identities.keys()].filter((identity) => !stored.has(identity));
  const strange = [...stored].filter((identity) => !ledger.identities.has(identity) && !ledger.doubtful.has(identity));
  expect({ missing: missing.length, first_missing: missing[0] }).toEqual({ missing: 0, first_missing: undefined });
  expect({ strange: strange.length, first_strange: strange[0] }).toEqual({ strange: 0, first_strange: undefined });
  const counted = result.unique_processed + result.duplicate_dropped + result.dead_lettered;
  expect(counted).toBeGreaterThanOrEqual(ledger.acknowledged);
  expect(counted).toBeLessThanOrEqual(ledger.acknowledged + ledger.inDoubt);
  return result;
}
