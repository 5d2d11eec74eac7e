/** What a run found, and how it is told: a short table for a terminal or a chat, JSON for programs. */
import type { Run } from "../../k6/plan.ts";
import type { Machine } from "./machine.ts";
import type { Check, Sent } from "./recount.ts";
import type { TopicCounts } from "./service.ts";
import type { CrossedThreshold, Trend } from "./summary.ts";
import type { Sample } from "./watch.ts";

export interface Report {
  readonly profile: string;
  readonly purpose: string;
  readonly run: Run;
  readonly passed: boolean;
  readonly sending_s: number;
  /** From the end of k6 to the last of the run's events; undefined where the queue did not empty. */
  readonly drain_s: number | undefined;
  readonly requests: number;
  readonly sent: Sent;
  readonly growth: TopicCounts;
  readonly replies_overloaded: number;
  readonly replies_lost: number;
  readonly dropped_iterations: number;
  /** From the start of a request to its 200 `queued`, waits for retries included. */
  readonly acknowledge_ms: Trend | undefined;
  /** The same to 200 `stored`, for the callers that waited for it. */
  readonly stored_ms: Trend | undefined;
  readonly rows_from: string;
  readonly checks: readonly Check[];
  readonly crossed: readonly CrossedThreshold[];
  readonly violations: readonly string[];
  readonly machine: Machine;
  readonly k6: string;
  /** What else was looked at in this profile. */
  readonly findings: readonly (readonly [string, string])[];
  readonly samples: readonly Sample[];
  readonly files: { readonly json: string; readonly html: string; readonly dashboard: string };
}

export const count = (value: number): string => value.toLocaleString("en-GB");

export function percentiles(trend: Trend | undefined): string {
  if (trend === undefined) {
    return "not measured";
  }
  const [p50, p95, p99, max] = [trend.med, trend.p95, trend.p99, trend.max].map((ms) => ms.toFixed(1));
  return `p50 ${p50} · p95 ${p95} · p99 ${p99} · max ${max} ms`;
}

/** Name and value, in the order in which a reader wants them. */
export function facts(report: Report): [string, string][] {
  const { sent, machine } = report;
  const events_per_s = sent.acknowledged / report.sending_s;
  const duplicates = report.growth.duplicate_dropped;
  const lost = `${count(report.replies_overloaded)} × 503, ${count(report.replies_lost)} without an answer`;
  return [
    ["events sent", `${count(sent.acknowledged)} acknowledged in ${count(report.requests)} requests`],
    ["rate", `${count(Math.round(events_per_s))} events/s for ${report.sending_s.toFixed(1)} s`],
    ["acknowledged", percentiles(report.acknowledge_ms)],
    ["stored", percentiles(report.stored_ms)],
    ["stored once", `${count(report.growth.unique_processed)} events`],
    [
      "duplicates",
      `${count(duplicates)} dropped (${((100 * duplicates) / Math.max(1, sent.acknowledged)).toFixed(1)} %)`,
    ],
    ["retried", lost],
    ["queue empty", report.drain_s === undefined ? "never" : `${report.drain_s.toFixed(1)} s after the last request`],
    ...report.findings.map(([name, value]): [string, string] => [name, value]),
    ["machine", `${machine.cores} × ${machine.processor}, ${machine.memory_gib} GiB, ${machine.system}`],
    ["versions", `k6 ${report.k6}, Bun ${machine.bun}`],
    ["seed, run", `${report.run.seed}, ${report.run.run}`],
  ];
}

export function verdict(report: Report): string {
  const failed = report.checks.filter((check) => !check.passed).length;
  const recounted = failed === 0 ? `all ${report.checks.length} figures agree` : `${failed} figures do not agree`;
  const limits = report.crossed.length === 0 ? "all thresholds kept" : `${report.crossed.length} thresholds crossed`;
  return `${report.passed ? "PASSED" : "FAILED"}: ${recounted}, ${limits}`;
}

export function table(report: Report): string {
  const lines = [`Sekali ${report.profile}: ${verdict(report)}`, ""];
  for (const [name, value] of facts(report)) {
    lines.push(`  ${name.padEnd(14)} ${value}`);
  }
  const widest = Math.max(...report.checks.map((check) => check.name.length));
  lines.push("", `  Recount (rows from ${report.rows_from})`);
  for (const { name, expected, found, passed } of report.checks) {
    const agreed = found === expected ? found : `${found} (expected ${expected})`;
    lines.push(`  ${passed ? "✓" : "✗"} ${name.padEnd(widest)}  ${agreed}`);
  }
  for (const { metric, threshold, found } of report.crossed) {
    lines.push(`  ✗ ${metric}: not ${threshold}, but ${found}`);
  }
  for (const violation of report.violations) {
    lines.push(`  ✗ /stats: ${violation}`);
  }
  return lines.join("\n");
}
