/** What a soak found: a table for the terminal, and one page with a chart for each figure. */
import { lineChart } from "../chart.ts";
import { escaped, htmlPage, row, tag } from "../markup.ts";
import { resultTable, STYLE } from "../stress/html.ts";
import { GAUGES, type GaugeName } from "./gauges.ts";
import type { SoakReport } from "./soak.ts";

function facts({ minutes, peak_events_per_s, asked_events_per_s, sent, machine }: SoakReport): [string, string][] {
  const number = (value: number) => Math.round(value).toLocaleString("en-GB");
  return [
    [
      "load",
      `${minutes} minutes at ${number(asked_events_per_s)} events/s, two thirds of ${number(peak_events_per_s)}`,
    ],
    ["acknowledged", `${number(sent.acknowledged)} events in ${number(sent.requests)} requests`],
    ["repeated", `${number(sent.failed)} attempts`],
    ["machine", `${machine.cores} × ${machine.processor}, ${machine.memory_gib} GiB, ${machine.system}`],
  ];
}

function verdict({ passed, checks }: SoakReport): string {
  const failed = checks.filter((check) => !check.passed).length;
  return passed
    ? `PASSED: all ${checks.length} figures are as expected`
    : `FAILED: ${failed} of ${checks.length} figures`;
}

export function soakTable(report: SoakReport): string {
  const widest = Math.max(...report.checks.map(({ name }) => name.length));
  return [
    `Sekali soak: ${verdict(report)}`,
    "",
    ...facts(report).map(([name, value]) => `  ${name.padEnd(14)} ${value}`),
    "",
    ...report.checks.map(({ name, expected, found, passed }) => {
      return `  ${passed ? "✓" : "✗"} ${name.padEnd(widest)}  ${found === expected ? found : `${found} (${expected})`}`;
    }),
  ].join("\n");
}

export function soakPage(report: SoakReport): string {
  const charts = (Object.keys(GAUGES) as GaugeName[]).flatMap((name) => {
    const { name: title, unit } = GAUGES[name];
    const points = report.samples.map((sample): [number, number] => [sample.at_s, sample[name]]);
    const line = { name: unit === "" ? title : `${title} (${unit})`, colour: "#2457a6", points };
    return [tag("h2", {}, escaped(title)), lineChart([line])];
  });
  return htmlPage("Sekali: soak", STYLE, [
    tag("h1", {}, "Sekali: soak"),
    tag("p", {}, escaped(`Does anything grow that should not? · ${report.began_at}`)),
    tag("p", { class: report.passed ? "verdict" : "verdict failed" }, escaped(verdict(report))),
    tag("table", {}, ...facts(report).map((fact) => row(1, fact))),
    tag("h2", {}, "What was expected, and found"),
    resultTable(report.checks),
    ...charts,
  ]);
}
