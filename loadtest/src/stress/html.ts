/** The report as one page that needs nothing else: no script, no font, no picture from anywhere. */
import { type Line, lineChart } from "../chart.ts";
import { facts, type Report, verdict } from "./report.ts";

const STYLE = `
  :root { color-scheme: light; --ink: #1c2430; --soft: #5d6b7e; --rule: #dfe4ea; --good: #187a4b; --bad: #b3261e; }
  body { font: 15px/1.5 system-ui, sans-serif; color: var(--ink); background: #fff; max-width: 1080px; margin: 28px auto; padding: 0 24px; }
  h1 { font-size: 24px; margin: 0 0 2px; } h2 { font-size: 16px; margin: 26px 0 8px; }
  p { margin: 0; color: var(--soft); }
  .verdict { margin: 16px 0 20px; padding: 10px 14px; border-left: 5px solid var(--good); background: #eef8f2; font-weight: 600; color: var(--ink); }
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

function escaped(text: string): string {
  return text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
}

/** Growth from sample to sample, as a rate: what arrived and what left, second by second. */
function ratesOf(report: Report, field: "received" | "unique_processed" | "duplicate_dropped"): [number, number][] {
  const points: [number, number][] = [];
  report.samples.forEach((sample, index) => {
    // Two samples back, so that one slow poll does not show as a dent and a spike.
    const before = report.samples[index - 2];
    if (before !== undefined && sample.elapsed_s > before.elapsed_s) {
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

function checkRows(report: Report): string {
  return report.checks
    .map(
      ({ name, expected, found, passed }) =>
        `<tr${passed ? "" : ' class="failed"'}><td class="mark">${passed ? "✓" : "✗"}</td><td>${escaped(name)}</td><td class="figure">${escaped(expected)}</td><td class="figure">${escaped(found)}</td></tr>`,
    )
    .join("");
}

export function page(report: Report): string {
  const rows = facts(report).map(([name, value]) => `<tr><th>${escaped(name)}</th><td>${escaped(value)}</td></tr>`);
  const crossed = report.crossed.map(
    ({ metric, threshold, found }) =>
      `<tr class="failed"><td class="mark">✗</td><td>${escaped(metric)}</td><td class="figure">${escaped(threshold)}</td><td class="figure">${escaped(found)}</td></tr>`,
  );
  const moment = new Date(report.run.started_at_ms).toISOString().slice(0, 19).replace("T", " ");
  return `<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>Sekali: ${escaped(report.profile)}</title><style>${STYLE}</style></head>
<body>
<h1>Sekali: ${escaped(report.profile)}</h1>
<p>${escaped(report.purpose)} · ${moment} UTC</p>
<p class="verdict${report.passed ? "" : " failed"}">${escaped(verdict(report))}</p>
<div class="columns">
<section><h2>What was measured</h2><table>${rows.join("")}</table></section>
<section><h2>Recount (rows from ${escaped(report.rows_from)})</h2>
<table><tr><th></th><th>figure</th><th class="figure">expected</th><th class="figure">found</th></tr>${checkRows(report)}${crossed.join("")}</table></section>
</div>
${charts(report)}
<p>k6's own page of the same run: ${escaped(report.files.dashboard.split("/").at(-1) ?? "")}</p>
</body>
</html>
`;
}
