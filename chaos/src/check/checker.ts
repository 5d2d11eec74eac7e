/**
 * Holds what is stored and counted to what the publishers know. Pure: it sees the history, the rows and the last
 * replies of `/stats`, and says in sentences what must not be.
 */
import { identityOf, type TestEvent } from "@sekali/aggregator/harness/event-factory";
import { disagreement, type Stats } from "@sekali/aggregator/harness/stats-watch";
import { deepEquals } from "bun";
import type { History } from "../clients/history.ts";
import type { Stored, StoredRow } from "./rows.ts";

export interface Observed {
  readonly history: History;
  readonly stored: Stored;
  /** The last reply of every aggregator, after the queue was drained. */
  readonly stats: readonly Stats[];
}

export interface Verdict {
  /** Acknowledged deliveries whose event is nowhere. */
  readonly missing: number;
  /** What the service reports as lost. */
  readonly lost: number;
  /** Rows beyond one of an identity, and rows that nobody sent. */
  readonly doubled: number;
  /** Sums that don't agree. */
  readonly miscounted: number;
  readonly complaints: readonly string[];
}

export function check(observed: Observed): Verdict {
  const { history, stored } = observed;
  const absent = findMissing(history, stored.rows);
  const strange = findStrange(history, stored.rows);
  const doubled = stored.recount.faults.filter((fault) => fault.startsWith("P2"));
  const others = stored.recount.faults.filter((fault) => !fault.startsWith("P2"));
  const sums = [...others, ...findMiscounts(observed), ...findUnsent(history, stored)];
  const { lost } = stored.recount;
  const complaints = [...absent.complaints, ...strange, ...doubled, ...sums];
  if (absent.deliveries > lost) {
    complaints.push(`P4: ${absent.deliveries} acknowledged deliveries are nowhere, and ${lost} are reported as lost`);
  }
  return {
    missing: absent.deliveries,
    lost,
    doubled: doubled.length + strange.length,
    miscounted: sums.length,
    complaints,
  };
}

/** Acknowledged deliveries without a row: no fault where Redis was made to lose after they were invoked. */
function findMissing(history: History, rows: readonly StoredRow[]): { deliveries: number; complaints: string[] } {
  const stored = new Set(rows.map(identityOf));
  const lastLossAtMs = Math.max(Number.NEGATIVE_INFINITY, ...history.losses.map(({ endedAtMs }) => endedAtMs));
  const missing = [...history.acknowledgedAt()].filter(([identity]) => !stored.has(identity));
  const excused = new Set(missing.filter(([, atMs]) => atMs <= lastLossAtMs).map(([identity]) => identity));
  const unexcused = missing.filter(([identity]) => !excused.has(identity));
  const acknowledged = history.attempts.filter(({ outcome }) => outcome === "ok").flatMap(({ events }) => events);
  const deliveries = acknowledged.filter((event) => !stored.has(identityOf(event))).length;
  const complaints = unexcused.map(([identity]) => `P1: ${identity} was acknowledged and is nowhere`);
  return { deliveries, complaints };
}

/**
 * Deliveries that were counted, and never sent: an entry that was added twice. The sums alone would not show it, since
 * they leave room for every delivery whose outcome is unknown.
 */
function findUnsent(history: History, { rows, dropped }: Stored): string[] {
  const sent = history.sent();
  return rows.flatMap((row) => {
    const identity = identityOf(row);
    const counted = 1 + (dropped.get(identity) ?? 0);
    const most = sent.get(identity) ?? 0;
    return counted > most ? [`P3: ${identity} was sent ${most} times and is counted ${counted} times`] : [];
  });
}

/** Rows that nobody sent, or not like that. */
function findStrange(history: History, rows: readonly StoredRow[]): string[] {
  const versions = history.versions();
  return rows.flatMap((row) => {
    const sent = versions.get(identityOf(row));
    if (sent === undefined) return [`${identityOf(row)} is stored, and nobody sent it`];
    return sent.some((version) => isStoredAs(version, row)) ? [] : [`${identityOf(row)} is stored otherwise than sent`];
  });
}

export function isStoredAs(sent: TestEvent, row: StoredRow): boolean {
  return (
    sent.topic === row.topic &&
    sent.source === row.source &&
    Date.parse(sent.timestamp) === row.timestampMs &&
    deepEquals(sent.payload, row.payload, true)
  );
}

function findMiscounts({ history, stored, stats }: Observed): string[] {
  const { unique_processed, duplicate_dropped, dead_lettered, lost } = stored.recount;
  const counted = unique_processed + duplicate_dropped + dead_lettered;
  const faults = stats.flatMap((reply) => {
    const fault = disagreement(reply);
    return fault === undefined ? [] : [`P3: ${fault}`];
  });
  for (const reply of stats) {
    if (reply.received !== counted || reply.lost !== lost) {
      faults.push(`P3: /stats says ${reply.received} and ${reply.lost} lost, the tables say ${counted} and ${lost}`);
    }
  }
  const { acknowledged, attempted } = history;
  if (acknowledged > counted + lost) {
    faults.push(`P3: ${acknowledged} were acknowledged, ${counted} are counted and ${lost} lost`);
  }
  if (counted + lost > attempted) {
    faults.push(`P3: ${counted} are counted and ${lost} lost, only ${attempted} were attempted`);
  }
  if (dead_lettered !== history.poisoned) {
    faults.push(`P4: ${dead_lettered} dead letters, ${history.poisoned} deliveries were poison`);
  }
  return faults;
}
