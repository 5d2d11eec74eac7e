/**
 * What the store keeps of deliveries that were dropped: the audit.
 *
 * A row for each dropped delivery is written by the statement that drops it (`BatchStore.storeBatch`), so the rows and
 * the counters agree at any instant (P3). Whether a row is a conflict is decided in the same statement wherever the
 * winner can be seen there, and by `judge` where it can't.
 * Calls throw what those of the other ports throw.
 */

/** Where a dropped delivery's row lies. */
export interface AuditPlace {
  /** When it was dropped, by Postgres's clock; ISO 8601. */
  readonly received_at: string;
  readonly shard: number;
  readonly seq: number;
}

/** What a delivery said, beside its identity. */
export interface Content {
  /** ISO 8601. */
  readonly timestamp: string;
  readonly source: string;
  /** JSON text; null where it is larger than what is kept or shown. */
  readonly payload: string | null;
}

/** A conflict, with both sides of it. */
export interface Conflict extends AuditPlace {
  readonly topic: string;
  readonly event_id: string;
  readonly dropped: Content;
  /** Undefined where retention has taken the event. */
  readonly stored: Content | undefined;
}

export interface Judgement {
  readonly judged: number;
  readonly conflicts: number;
  readonly conflicting: readonly AuditPlace[];
}

/** For workers: what can only be found out after the commit. */
export interface AuditJudge {
  /**
   * Compares some of the unjudged with their winners, and counts the conflicts in the same transaction. Nothing judged:
   * nothing is left to judge, or other processes are at it.
   */
  judge(conflictingNamed: number): Promise<Judgement>;
  /** Those of the named rows that are there. */
  conflicts(places: readonly AuditPlace[]): Promise<readonly Conflict[]>;
}

export interface DuplicatesQuery {
  /** Patterns without fault, at least one: deliveries whose topic matches any of them. */
  readonly topics: readonly string[];
  readonly event_id: string | undefined;
  readonly source: string | undefined;
  /** ISO 8601, of the arrival: inclusive and exclusive. */
  readonly since: string | undefined;
  readonly until: string | undefined;
  readonly conflict: boolean | undefined;
  readonly limit: number;
  readonly after: AuditPlace | undefined;
}

export interface DuplicatesPage {
  /** Each row as JSON text of a `DuplicateRecord`. */
  readonly rows: readonly string[];
  /** Where the next page begins. A page looks at so many rows at most: it may be short, or empty, and not the last. */
  readonly next: AuditPlace | undefined;
}

/** Who resends, among the newest dropped deliveries. */
export interface Resending {
  /** Deliveries that were looked at, and since when the oldest of them; null where there is none. */
  readonly duplicates: number;
  readonly since: string | null;
  /** Those with most first. */
  readonly sources: readonly { readonly source: string; readonly duplicates: number; readonly conflicts: number }[];
}

/** For readers. */
export interface AuditReader {
  duplicates(query: DuplicatesQuery): Promise<DuplicatesPage>;
  resending(): Promise<Resending>;
}

/** For housekeeping. */
export interface AuditKeeping {
  /** Makes the audit's partitions of the coming days. */
  makeAuditPartitions(retentionDays: number): Promise<number>;
  /** Drops the partitions in which everything has expired, and keeps their counts. Takes minutes for large ones. */
  dropExpiredAudit(retentionDays: number): Promise<number>;
}
