/** The benchmark's figures as a table, and as a page that needs nothing else. Pure. */
import { type BenchResult, SUBJECTS, type Subject } from "./bench.ts";
import type { Measured } from "./measure.ts";
import type { Visible } from "./visible.ts";

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
}

export function spread(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? Number.NaN) + upper) / 2;
  return { median, least: sorted[0] ?? Number.NaN, greatest: sorted.at(-1) ?? Number.NaN };
}

/** Each ratio that says how near the limit we are, and what is aimed at. */
export const RATIOS: readonly { readonly of: Subject; readonly to: Subject; readonly aim: number }[] = [
  { of: "single", to: "echo", aim: 0.4 },
  { of: "batch_100", to: "postgres", aim: 0.85 },
  { of: "batch_1000", to: "postgres", aim: 0.85 },
  { of: "single", to: "naive_single", aim: 10 },
  { of: "batch_100", to: "naive_100", aim: 10 },
];

export interface Ratio {
  readonly of: Subject;
  readonly to: Subject;
  readonly aim: number;
  readonly found: Spread;
}

/** Round by round, so that a slow minute of the machine does not show as a ratio. */
export function ratios(result: BenchResult): Ratio[] {
  return RATIOS.flatMap(({ of, to, aim }) => {
    const [ours, limit] = [result.measured[of], result.measured[to]];
    if (ours === undefined || limit === undefined) {
      return [];
    }
    const each = ours.map((one, round) => one.rate / (limit[round]?.rate ?? Number.NaN));
    return [{ of, to, aim, found: spread(each) }];
  });
}

const whole = (value: number): string => Math.round(value).toLocaleString("en-GB");
const median = (all: readonly Measured[], field: (one: Measured) => number | undefined): string => {
  const values = all.map(field).filter((value): value is number => value !== undefined && value > 0);
  const middle = spread(values).median;
  if (values.length === 0) {
    return "–";
  }
  return middle < 10 ? middle.toPrecision(2) : middle.toFixed(0);
};

interface Row {
  readonly subject: Subject;
  readonly rate: Spread;
  readonly cells: readonly string[];
}

export const COLUMNS = [
  "median/s",
  "least … greatest",
  "p50 ms",
  "p99 ms",
  "CPU µs/event: service",
  "Redis",
  "Postgres",
  "generator",
  "of cores",
  "RSS MiB",
];

export function rows(result: BenchResult): Row[] {
  return (Object.keys(SUBJECTS) as Subject[]).flatMap((subject) => {
    const all = result.measured[subject];
    if (all === undefined) {
      return [];
    }
    const rate = spread(all.map((one) => one.rate));
    const cells = [
      whole(rate.median),
      `${whole(rate.least)} … ${whole(rate.greatest)}`,
      median(all, (one) => one.p50_ms),
      median(all, (one) => one.p99_ms),
      median(all, (one) => (one.cost_ms_per_event.service ?? 0) * 1_000),
      median(all, (one) => (one.cost_ms_per_event.redis ?? 0) * 1_000),
      median(all, (one) => (one.cost_ms_per_event.postgres ?? 0) * 1_000),
      median(all, (one) => one.cost_ms_per_event.generator * 1_000),
      `${median(all, (one) => one.generator_share * 100)} %`.replace("– %", "–"),
      median(all, (one) => one.resident_peak_mib),
    ];
    return [{ subject, rate, cells }];
  });
}

function conditions({ options, machine, began_at }: BenchResult): string {
  return `${options.rounds} rounds of ${options.seconds} s, 30 % duplicates, UUID${options.ids}, appendfsync always, synchronous_commit on · ${machine.cores} × ${machine.processor}, ${machine.memory_gib} GiB, ${machine.system}, Bun ${machine.bun} · ${began_at.slice(0, 16).replace("T", " ")} UTC`;
}

export function benchTable(result: BenchResult): string {
  const all = rows(result);
  const lines = [["", ...COLUMNS], ...all.map(({ subject, cells }) => [SUBJECTS[subject], ...cells])];
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  const drawn = lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
  const compared = ratios(result).map(({ of, to, aim, found }) => {
    const figure = `${found.median.toFixed(2)} (${found.least.toFixed(2)} … ${found.greatest.toFixed(2)})`;
    return `${found.median >= aim ? "✓" : "·"} ${SUBJECTS[of]}: ${figure} × ${SUBJECTS[to]}; aim ${aim}`;
  });
  const unfinished = all
    .filter(({ subject }) => result.measured[subject]?.some((one) => !one.drained))
    .map(
      ({ subject }) =>
        `  The queue was not empty at the bound; the rate is of what was stored by then: ${SUBJECTS[subject]}`,
    );
  const seen = visibleLine(result);
  const notes = seen === undefined ? unfinished : [`  ${seen}`, ...unfinished];
  return [conditions(result), "", ...drawn, "", ...compared, ...notes].join("\n");
}

/** Undefined where it was not measured. */
export function visibleLine({ visible }: BenchResult): string | undefined {
  if (visible.length === 0) {
    return undefined;
  }
  const middle = (field: (one: Visible) => number): number => spread(visible.map(field)).median;
  const worst = Math.max(...visible.map((one) => one.p99_ms));
  return `from publish to visible in /events at ${whole(middle((one) => one.acknowledged_per_s))} single events/s (half the peak): p50 ${middle((one) => one.p50_ms).toFixed(0)} ms, p99 ${middle((one) => one.p99_ms).toFixed(0)} ms (worst round ${worst.toFixed(0)} ms); aim p99 below 100 ms`;
}

const BAR = { width: 1_040, label: 400, row: 34, top: 8 };

function barChart(result: BenchResult): string {
  const all = rows(result);
  const end = Math.max(1, ...all.map(({ rate }) => rate.greatest));
  const across = (value: number): number => (value / end) * (BAR.width - BAR.label - 110);
  const bars = all.map(({ subject, rate }, index) => {
    const y = BAR.top + index * BAR.row;
    const colour = subject.startsWith("naive")
      ? "#c77700"
      : subject === "echo" || subject === "postgres"
        ? "#9aa6b5"
        : "#187a4b";
    const middle = y + 11;
    const [least, greatest] = [BAR.label + across(rate.least), BAR.label + across(rate.greatest)];
    return `<text x="${BAR.label - 10}" y="${y + 15}" text-anchor="end">${SUBJECTS[subject]}</text><rect x="${BAR.label}" y="${y}" width="${across(rate.median).toFixed(1)}" height="22" rx="2" fill="${colour}"/><line x1="${least.toFixed(1)}" x2="${greatest.toFixed(1)}" y1="${middle}" y2="${middle}" stroke="#1c2430" stroke-width="1.5"/><text x="${(greatest + 8).toFixed(1)}" y="${y + 15}">${whole(rate.median)}/s</text>`;
  });
  const height = BAR.top * 2 + all.length * BAR.row;
  return `<svg viewBox="0 0 ${BAR.width} ${height}" role="img" font-family="system-ui, sans-serif" font-size="13" fill="#1c2430">${bars.join("")}</svg>`;
}

export function benchPage(result: BenchResult): string {
  const head = ["", ...COLUMNS].map((name) => `<th>${name}</th>`).join("");
  const body = rows(result).map(
    ({ subject, cells }) => `<tr><th>${SUBJECTS[subject]}</th>${cells.map((cell) => `<td>${cell}</td>`).join("")}</tr>`,
  );
  const compared = ratios(result).map(
    ({ of, to, aim, found }) =>
      `<tr><th>${SUBJECTS[of]}</th><th>${SUBJECTS[to]}</th><td>${found.median.toFixed(2)}</td><td>${found.least.toFixed(2)} … ${found.greatest.toFixed(2)}</td><td>${aim}</td></tr>`,
  );
  return `<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Sekali: benchmark</title><style>
  :root { color-scheme: light; }
  body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; max-width: 1120px; margin: 28px auto; padding: 0 24px; }
  h1 { font-size: 24px; margin: 0; } h2 { font-size: 16px; margin: 26px 0 8px; } p { color: #5d6b7e; margin: 2px 0 16px; }
  table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
  th { text-align: left; font-weight: 500; } td { text-align: right; } td, th { border-bottom: 1px solid #dfe4ea; padding: 4px 8px; }
  svg { width: 100%; height: auto; }
</style></head><body>
<h1>Sekali: benchmark</h1><p>${conditions(result)}</p>
<h2>Events a second (median, with least and greatest)</h2>${barChart(result)}
<h2>Beside the limits</h2><table><tr><th>measured</th><th>against</th><td>median</td><td>least … greatest</td><td>aim</td></tr>${compared.join("")}</table><p>${visibleLine(result) ?? ""}</p>
<h2>All figures (medians)</h2><table><tr>${head}</tr>${body.join("")}</table>
</body></html>
`;
}
