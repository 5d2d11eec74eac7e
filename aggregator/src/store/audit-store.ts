/** The audit of duplicates in Postgres: judging what could not be judged at once, showing, and keeping it bounded. */
import type { AuditJudge, AuditKeeping, AuditPlace, Conflict, Judgement } from "./audit-port.ts";
import type { Database, Row } from "./database.ts";
import conflicts from "./sql/conflicts.sql" with { type: "text" };
import judgeDuplicates from "./sql/judge-duplicates.sql" with { type: "text" };

const JUDGED_ROWS_MAX = 1000;
/** As much as `store-batch.sql` keeps of a dropped one. */
const PAYLOAD_BYTES_MAX = 64 * 1024;
const PARTITIONS_AHEAD_DAYS = 7;
/** Planning costs time for each partition: beyond a quarter of a year, months do. */
const RETENTION_BY_DAY_DAYS_MAX = 92;
/** Rows are counted before they are dropped, by a process that does nothing else meanwhile. */
const KEEPING_TIMEOUT_MS = 10 * 60_000;

export class PostgresAuditStore implements AuditJudge, AuditKeeping {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async judge(conflictingNamed: number): Promise<Judgement> {
    const [row] = await this.#database.query(judgeDuplicates, [JUDGED_ROWS_MAX, conflictingNamed]);
    return {
      judged: row?.["judged"] as number,
      conflicts: row?.["conflicts"] as number,
      conflicting: (row?.["conflicting"] ?? []) as readonly AuditPlace[],
    };
  }

  async conflicts(places: readonly AuditPlace[]): Promise<readonly Conflict[]> {
    const rows = await this.#database.query(conflicts, [JSON.stringify(places), PAYLOAD_BYTES_MAX]);
    return rows.map(toConflict);
  }

  async makeAuditPartitions(retentionDays: number): Promise<number> {
    const byDay = retentionDays <= RETENTION_BY_DAY_DAYS_MAX;
    const [made] = await this.#database.query(`SELECT make_audit_partitions(${byDay}, ${PARTITIONS_AHEAD_DAYS}) AS n`);
    return made?.["n"] as number;
  }

  dropExpiredAudit(retentionDays: number): Promise<number> {
    return this.#database.transaction(async (tx) => {
      await tx.unsafe(`SET LOCAL statement_timeout = ${KEEPING_TIMEOUT_MS}`);
      const [row] = await tx`SELECT drop_expired_audit_partitions(${retentionDays}) AS n`;
      return row?.["n"] as number;
    }, KEEPING_TIMEOUT_MS);
  }
}

function toConflict(row: Row): Conflict {
  const text = (name: string) => row[name] as string;
  const hasStored = row["stored_source"] !== null;
  return {
    received_at: text("received_at"),
    shard: row["shard"] as number,
    seq: row["seq"] as number,
    topic: text("topic"),
    event_id: text("event_id"),
    dropped: { timestamp: text("timestamp"), source: text("source"), payload: row["payload"] as string | null },
    stored: hasStored
      ? {
          timestamp: text("stored_timestamp"),
          source: text("stored_source"),
          payload: row["stored_payload"] as string | null,
        }
      : undefined,
  };
}
