/** The report as one page that needs nothing else: no script, no font, no picture from anywhere. */
import { type Line, lineChart } from "../chart.ts";
import { escaped, htmlPage, row, tag } from "../markup.ts";
import type { Check } from "./recount.ts";
import { facts, type Report, verdict } from "./report.ts";

export const STYLE = `
  :root { color-scheme: light; --ink: #1c2430; --soft: #5d6b7e; --rule: #dfe4ea; --good: #187a4b; --bad: #b3261e; }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff; }
  body { max-width: 1080px; margin: 28px auto; padding: 0 24px; }
  h1 { font-size: 24px; margin: 0 0 2px; } h2 { font-size: 16px; margin: 26px 0 8px; }
  p { margin: 0; color: var(--soft); }
  .verdict { margin: 16px 0 20px; padding: 10px 14px; border-left: 5px solid var(--good); background: #eef8f2; }
  .verdict { font-weight: 600; color: var(--ink); }
  .verdict.failed { border-color: var(--bad); background: #fdeeed; }
  .columns { display: grid; grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); gap: 0 40px; }
  table { border-collapse: collapse; width: 100%; font-size: 14px; font-variant-numeric: tabular-nums; }
  th { text-align: left; font-weight: 500; color: var(--soft); white-space: nowrap; padding-right: 16px; }
  td, th { border-bottom: 1px solid var(--rule); padding: 4px 8px 4px 0; vertical-align: top; }
  td.mark { color: var(--good); font-weight: 700; width: 18px; } tr.failed td { color: var(--bad); }
  td.figure, th.figure { text-align: right; white-space: nowrap; }
  td.figure:last-child, th.figure:last-child { padding-left: 20px; }
  svg { width: 100%; height: auto; }
  @media (max-width: 760px) { .columns { grid-template-columns: minmax(0, 1fr); } }`;

const RATE_OVER_S = 1;

/** Growth from sample to sample, as a rate: what arrived and what left, second by second. */
function ratesOf(report: Report, field: "received" | "unique_processed" | "duplicate_dropped"): [number, number][] {
  const points: [number, number][] = [];
  let from = 0;
  report.samples.forEach((sample, index) => {
    // A second back, and two samples: one slow poll, or a batch between two polls, is no dent and no spike.
    const isOld = (at: number): boolean => sample.elapsed_s - (report.samples[at]?.elapsed_s ?? 0) >= RATE_OVER_S;
    while (from + 1 < index - 1 && isOld(from + 1)) {
      from += 1;
    }
    const before = report.samples[from];
    if (before !== undefined && index - from >= 2 && sample.elapsed_s > before.elapsed_s) {
      points.push([sample.elapsed_s, (sample[field] - before[field]) / (sample.elapsed_s - before.elapsed_s)]);
    }
  });
  return points;
}

function charts(report: Report): string {
  const rates: Line[] = [
    { name: "received (all publishers)", colour: "#6b7a90", points: ratesOf(report, "received") },
    { name: "stored", colour: "#187a4b", points: ratesOf(report, "unique_processed") },
    { name: "duplicates dropped", colour: "#c77700", points: ratesOf(report, "duplicate_dropped") },
  ];
  const queued: Line[] = [
    { name: "queued", colour: "#2457a6", points: report.samples.map((sample) => [sample.elapsed_s, sample.queued]) },
  ];
  return `<h2>Events a second</h2>${lineChart(rates)}<h2>Events in the queue</h2>${lineChart(queued)}`;
}

function resultRow(passed: boolean, name: string, expected: string, found: string): string {
  const figure = { class: "figure" };
  return tag(
    "tr",
    passed ? {} : { class: "failed" },
    tag("td", { class: "mark" }, passed ? "✓" : "✗"),
    tag("td", {}, escaped(name)),
    tag("td", figure, escaped(expected)),
    tag("td", figure, escaped(found)),
  );
}

/** What was expected and what was found, with a mark for each. */
export function resultTable(checks: readonly Check[]): string {
  const figure = { class: "figure" };
  const head = [tag("th", {}, ""), tag("th", {}, "figure"), tag("th", figure, "expected"), tag("th", figure, "found")];
  const rows = checks.map(({ name, expected, found, passed }) => resultRow(passed, name, expected, found));
  return tag("table", {}, tag("tr", {}, ...head), ...rows);
}

function results({ checks, crossed }: Report): string {
  const thresholds = crossed.map(({ metric, threshold, found }) => {
    return { name: metric, expected: threshold, found, passed: false };
  });
  return resultTable([...checks, ...thresholds]);
}

export function page(report: Report): string {
  const title = `Sekali: ${report.profile}`;
  const moment = new Date(report.run.started_at_ms).toISOString().slice(0, 19).replace("T", " ");
  const measured = facts(report).map((fact) => row(1, fact));
  const own = report.files.dashboard.split("/").at(-1) ?? "";
  return htmlPage(title, STYLE, [
    tag("h1", {}, escaped(title)),
    tag("p", {}, escaped(`${report.purpose} · ${moment} UTC`)),
    tag("p", { class: report.passed ? "verdict" : "verdict failed" }, escaped(verdict(report))),
    tag(
      "div",
      { class: "columns" },
      tag("section", {}, tag("h2", {}, "What was measured"), tag("table", {}, ...measured)),
      tag("section", {}, tag("h2", {}, escaped(`Recount (rows from ${report.rows_from})`)), results(report)),
    ),
    charts(report),
    tag("p", {}, escaped(`k6's own page of the same run: ${own}`)),
  ]);
}
