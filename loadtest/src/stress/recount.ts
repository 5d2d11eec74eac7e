/**
 * The recount: does what the service counted and stored agree with what was sent? Pure. Every figure is compared
 * with one that was obtained in another way: k6 counted its requests and acknowledgements, the plan says which
 * identities these held, `/stats` says what the service counted, and the rows are what is there.
 *
 * Where every reply arrived, all of it is exact. A reply that was lost (a 503 does not mean "not stored") leaves an
 * interval: the service may have received no less than it acknowledged and no more than was attempted.
 */
import type { ExpectedIdentities } from "../../k6/plan.ts";
import { keyOf, type Rows } from "./rows.ts";
import { processed, type TopicCounts } from "./service.ts";

/** What k6 counted itself. */
export interface Sent {
  readonly attempted: number;
  readonly acknowledged: number;
  /** Identities that acknowledged requests were the first to send; undefined where the script can't know (a race). */
  readonly identities_acknowledged: number | undefined;
  /**
   * Deliveries for which callers that waited were told `stored`, and how many should be; undefined where none
   * waited.
   */
  readonly told_stored: { readonly found: number; readonly expected: number } | undefined;
  readonly given_up: number;
}

export interface Watched {
  readonly replies: number;
  /** Replies of `/stats` in which the sums of P3 did not agree, or a count went backwards. */
  readonly violations: readonly string[];
  readonly lost_growth: number;
  /** Of the whole installation: a dead letter's topic can't be trusted, so it has none. */
  readonly dead_lettered_growth: number;
  readonly drained: boolean;
}

export interface Check {
  readonly name: string;
  readonly expected: string;
  readonly found: string;
  readonly passed: boolean;
}

export interface Evidence {
  readonly sent: Sent;
  readonly expected: ExpectedIdentities;
  readonly growth: TopicCounts;
  readonly rows: Rows;
  readonly watched: Watched;
}

const number = (value: number): string => value.toLocaleString("en-GB");

function between(name: string, found: number, least: number, most: number): Check {
  const expected = least === most ? number(least) : `${number(least)} to ${number(most)}`;
  return { name, expected, found: number(found), passed: found >= least && found <= most };
}

function exactly(name: string, found: number, expected: number): Check {
  return between(name, found, expected, expected);
}

function rowChecks({ expected, rows }: Evidence): Check[] {
  const must = new Set(expected.must.map(keyOf));
  const may = new Set(expected.may.map(keyOf));
  const missing = [...must].filter((key) => !rows.counts.has(key)).length;
  let twice = 0;
  let strays = 0;
  for (const [key, count] of rows.counts) {
    twice += count > 1 ? 1 : 0;
    strays += must.has(key) || may.has(key) ? 0 : 1;
  }
  const checks = [
    between("rows in events", rows.counts.size, must.size, must.size + may.size),
    exactly("identities without a row", missing, 0),
    exactly("identities with two rows", twice, 0),
    exactly("rows that nobody sent", strays, 0),
  ];
  if (rows.identities !== undefined) {
    checks.push(between("rows in identities", rows.identities, must.size, must.size + may.size));
  }
  return checks;
}

function statsChecks({ sent, expected, growth, watched }: Evidence): Check[] {
  const distinct = expected.must.length;
  const distinct_max = distinct + expected.may.length;
  return [
    between("received (k6: acknowledged)", processed(growth), sent.acknowledged, sent.attempted),
    between("unique_processed (distinct sent)", growth.unique_processed, distinct, distinct_max),
    between(
      "duplicate_dropped (the rest)",
      growth.duplicate_dropped,
      Math.max(0, sent.acknowledged - distinct_max),
      sent.attempted - distinct,
    ),
    exactly("dead_lettered", watched.dead_lettered_growth, 0),
    exactly("lost", watched.lost_growth, 0),
    exactly(`wrong sums in ${number(watched.replies)} replies of /stats`, watched.violations.length, 0),
  ];
}

function clientChecks({ sent, expected }: Evidence): Check[] {
  const checks: Check[] = [];
  if (sent.identities_acknowledged !== undefined && sent.given_up === 0) {
    checks.push(exactly("distinct identities (k6 and plan)", sent.identities_acknowledged, expected.must.length));
  }
  if (sent.told_stored !== undefined) {
    // The one caller that was told so may be among those whose reply was lost.
    const slack = sent.attempted - sent.acknowledged;
    const { found, expected: most } = sent.told_stored;
    checks.push(between("callers told that theirs was stored", found, Math.max(0, most - slack), most));
  }
  return checks;
}

export function recount(evidence: Evidence): Check[] {
  const drained: Check = {
    name: "queue drained",
    expected: "yes",
    found: evidence.watched.drained ? "yes" : "no",
    passed: evidence.watched.drained,
  };
  return [...statsChecks(evidence), ...clientChecks(evidence), ...rowChecks(evidence), drained];
}
