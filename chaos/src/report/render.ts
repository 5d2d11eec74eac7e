/** The report for people: a table for the terminal, and the same as a page of Markdown. */
import type { Report, ReportRow } from "./report.ts";

const HEAD = ["fault", "injections", "deliveries", "lost", "doubled", "miscounted", "longest recovery", "verdict"];

const count = (n: number) => n.toLocaleString("en");
const seconds = (ms: number) => `${(ms / 1000).toFixed(1)} s`;

function cells(row: ReportRow, name: string): string[] {
  const numbers = [row.injections, row.deliveries, row.lost, row.doubled, row.miscounted].map(count);
  return [name, ...numbers, seconds(row.longest_recovery_ms), row.verdict];
}

export function renderTable(report: Report): string {
  const rows = [HEAD, ...report.rows.map((row) => cells(row, row.fault))];
  const widths = HEAD.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  const line = (row: readonly string[]) =>
    row.map((cell, at) => (at === 0 ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0))).join("  ");
  const remarks = report.rows.filter(({ remark }) => remark !== "").map((row) => `${row.fault}: ${row.remark}`);
  return [...rows.map(line), "", ...remarks, summary(report)].join("\n");
}

export function renderMarkdown(report: Report): string {
  const line = (row: readonly string[]) => `| ${row.join(" | ")} |`;
  const rows = report.rows.map((row) => line([...cells(row, `${row.title} (\`${row.fault}\`)`), row.remark]));
  return [
    `# Faults, ${report.began_at.slice(0, 10)}`,
    "",
    summary(report).replaceAll("; ", ";\n"),
    "",
    line([...HEAD, "remark"]),
    line([...HEAD, ""].map((_, at) => (at === 0 || at > 6 ? "---" : "---:"))),
    ...rows,
    "",
  ].join("\n");
}

const MARK = /^<!-- The last full run stands below;.*-->$/m;

/** The page with this run below its mark, in place of the one that stood there. */
export function withRun(page: string, report: Report): string {
  const mark = MARK.exec(page);
  if (mark === null) throw new Error("the page has no mark below which a run could stand");
  const run = renderMarkdown(report).replace(/^# .*/, `## The last full run, ${report.began_at.slice(0, 10)}`);
  return `${page.slice(0, mark.index + mark[0].length)}\n${run}`;
}

function summary(report: Report): string {
  const { episodes, stats_replies, position_looks, resident_bytes_max, longest_stall_ms, took_s, stacks, seed } =
    report;
  return (
    `${episodes.length} episodes on ${stacks} stacks at once in ${Math.ceil(took_s / 60)} min; ` +
    `${count(stats_replies)} replies of /stats and ${count(position_looks)} looks at the positions were exact or ` +
    `complained of; an aggregator took ${Math.round(resident_bytes_max / 2 ** 20)} MiB at most; ` +
    `the harness stood still for ${seconds(longest_stall_ms)} at most, which recovery leaves out; seed ${seed}; ` +
    `${report.passed ? "passed" : "FAILED"}`
  );
}
