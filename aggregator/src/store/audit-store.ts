/** The audit of duplicates in Postgres: judging what could not be judged at once, showing, and keeping it bounded. */
import { isWildcard } from "@sekali/contract";
import type {
  AuditJudge,
  AuditKeeping,
  AuditPlace,
  AuditReader,
  Conflict,
  DuplicatesPage,
  DuplicatesQuery,
  Judgement,
  Resending,
} from "./audit-port.ts";
import type { Database, Row } from "./database.ts";
import conflicts from "./sql/conflicts.sql" with { type: "text" };
import conflictsInOrder from "./sql/conflicts-in-order.sql" with { type: "text" };
import duplicatesInOrder from "./sql/duplicates-in-order.sql" with { type: "text" };
import duplicatesOfIdentity from "./sql/duplicates-of-identity.sql" with { type: "text" };
import judgeDuplicates from "./sql/judge-duplicates.sql" with { type: "text" };
import renderDuplicates from "./sql/render-duplicates.sql" with { type: "text" };
import resending from "./sql/resending.sql" with { type: "text" };
import { topicsRegex } from "./topic-regex.ts";

const JUDGED_ROWS_MAX = 1000;
/** As much as `store-batch.sql` keeps of a dropped one. */
const PAYLOAD_BYTES_MAX = 64 * 1024;
/**
 * Topic and source have no index here: it would cost every dropped delivery, and few ask. A page looks at no more rows
 * than this, some 50 ms of reading, and the next one goes on from there.
 */
const PAGE_LOOKS_AT_ROWS_MAX = 50_000;
const PAGE_BYTES_MAX = 8 * 1024 * 1024;
const RESENDING_DELIVERIES = 10_000;
const RESENDING_SOURCES_MAX = 10;
const PARTITIONS_AHEAD_DAYS = 7;
/** Planning costs time for each partition: beyond a quarter of a year, months do. */
const RETENTION_BY_DAY_DAYS_MAX = 92;
/** Rows are counted before they are dropped, by a process that does nothing else meanwhile. */
const KEEPING_TIMEOUT_MS = 10 * 60_000;

export class PostgresAuditStore implements AuditJudge, AuditReader, AuditKeeping {
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

  async duplicates(query: DuplicatesQuery): Promise<DuplicatesPage> {
    const { topics, event_id, source, conflict, limit, after } = query;
    const [topic = ">"] = topics;
    const isOneTopic = topics.length === 1 && !isWildcard(topic);
    const place =
      after === undefined ? [null, null, null] : [after.received_at, String(after.shard), String(after.seq)];
    const rows = await this.#database.query(`${scanFor(query)}${renderDuplicates}`, [
      query.since ?? null,
      query.until ?? null,
      ...place,
      PAGE_LOOKS_AT_ROWS_MAX,
      isOneTopic ? topic : null,
      isOneTopic || topics.includes(">") ? null : topicsRegex(topics),
      source ?? null,
      conflict === undefined ? null : String(conflict),
      // One row more than asked for tells whether there is a next page.
      limit + 1,
      PAGE_BYTES_MAX,
      ...(event_id === undefined ? [] : [event_id]),
    ]);
    const found = rows.filter((row) => row["record"] !== null);
    const page = found.slice(0, limit).filter((row) => row["is_beyond"] !== true);
    const last = page.at(-1);
    if (page.length < found.length && last !== undefined) {
      return { rows: page.map(toRecord), next: toPlace(last) };
    }
    const ended = (rows[0]?.["ended_at"] ?? undefined) as readonly [string, string, string] | undefined;
    const next = ended && { received_at: ended[0], shard: Number(ended[1]), seq: Number(ended[2]) };
    return { rows: page.map(toRecord), next };
  }

  async resending(): Promise<Resending> {
    const [row] = await this.#database.query(resending, [RESENDING_DELIVERIES, RESENDING_SOURCES_MAX]);
    return {
      duplicates: row?.["duplicates"] as number,
      since: row?.["since"] as string | null,
      sources: row?.["sources"] as Resending["sources"],
    };
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

function toRecord(row: Row): string {
  return row["record"] as string;
}

function toPlace(row: Row): AuditPlace {
  return { received_at: row["received_at"] as string, shard: row["shard"] as number, seq: row["seq"] as number };
}

/** The statement whose index serves the query best; the other filters are compared along it. */
function scanFor({ event_id, conflict }: DuplicatesQuery): string {
  if (event_id !== undefined) return duplicatesOfIdentity;
  return conflict === true ? conflictsInOrder : duplicatesInOrder;
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
