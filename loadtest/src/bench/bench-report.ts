/** The benchmark's figures as a table, and as a page that needs nothing else. Pure. */
import { type Bar, barChart } from "../chart.ts";
import { escaped, htmlPage, row, tag } from "../markup.ts";
import type { BenchResult } from "./bench.ts";
import { GROWTH_COLUMNS, growthRows, growthVerdicts, memoryRows } from "./growth-report.ts";
import type { Measured } from "./measure.ts";
import { type Spread, spread } from "./statistics.ts";
import { SUBJECTS, type Subject } from "./subjects.ts";
import type { Visible } from "./visible.ts";

/** Each ratio that says how near the limit we are, and what is aimed at. */
export const RATIOS: readonly { readonly of: Subject; readonly to: Subject; readonly aim: number }[] = [
  { of: "single", to: "echo", aim: 0.4 },
  { of: "batch_100", to: "postgres", aim: 0.85 },
  { of: "batch_1000", to: "postgres", aim: 0.85 },
  { of: "postgres", to: "unaudited", aim: 0.9 },
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
  "µs/event: service",
  "Redis",
  "Postgres",
  "generator",
  "its share of cores",
  "others'",
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
      `${median(all, (one) => (one.others_share ?? 0) * 100)} %`.replace("– %", "–"),
      median(all, (one) => one.resident_peak_mib),
    ];
    return [{ subject, rate, cells }];
  });
}

function conditions({ options, machine, began_at }: BenchResult): string {
  return [
    `${options.rounds} × ${options.seconds} s, 30 % duplicates, UUID${options.ids}`,
    "appendfsync always, fsync and synchronous_commit on, for all",
    `${machine.cores} × ${machine.processor}, ${machine.memory_gib} GiB, ${machine.system}, Bun ${machine.bun}`,
    `${began_at.slice(0, 16).replace("T", " ")} UTC`,
  ].join(" · ");
}

export function benchTable(result: BenchResult): string {
  const all = rows(result);
  const head = all.length === 0 ? [] : [["", ...COLUMNS]];
  const drawn = aligned([...head, ...all.map(({ subject, cells }) => [SUBJECTS[subject], ...cells])]);
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
  const notes = [...(seen === undefined ? [] : [`  ${seen}`]), generatorLine(result), ...unfinished];
  return [
    conditions(result),
    "",
    ...drawn,
    "",
    ...compared,
    ...growthVerdicts(result.growth),
    ...notes,
    ...disturbance(result),
    ...(result.memory === undefined ? [] : ["", "Memory (resident)", ...aligned(memoryRows(result.memory))]),
    ...(result.growth.length === 0
      ? []
      : ["", "As it grows, batches of 100", ...aligned([GROWTH_COLUMNS, ...growthRows(result.growth)])]),
  ].join("\n");
}

/** The first column to the left, figures to the right. */
function aligned(lines: readonly (readonly string[])[]): string[] {
  const widths = lines[0]?.map((_, column) => Math.max(...lines.map((line) => line[column]?.length ?? 0))) ?? [];
  return lines.map((line) =>
    line
      .map((cell, column) => (column === 0 ? cell.padEnd(widths[0] ?? 0) : cell.padStart(widths[column] ?? 0)))
      .join("  "),
  );
}

/** A generator on the same machine takes from what it measures: from the fastest most. */
function generatorLine(result: BenchResult): string {
  const shares = everything(result).map((all) => spread(all.map(({ generator_share }) => generator_share)).median);
  const used = shares.filter((share) => share > 0).map((share) => Math.round(share * 100));
  const cores = `${result.machine.cores} cores`;
  return used.length === 0
    ? "  No generator was at work."
    : `  The generator (wrk, one thread) took ${Math.min(...used)} to ${Math.max(...used)} % of the ${cores}.`;
}

/** A machine that others use as well measures them too. */
const OTHERS_SHARE_MAX = 0.1;

function everything({ measured, growth }: BenchResult): (readonly Measured[])[] {
  return [...Object.values(measured), ...growth.flatMap((one) => [one.measured, one.beside])];
}

function disturbance(result: BenchResult): string[] {
  const shares = everything(result).flatMap((all) => all.map((one) => one.others_share ?? 0));
  const greatest = Math.max(0, ...shares);
  return greatest <= OTHERS_SHARE_MAX
    ? []
    : [`  Disturbed: other processes took up to ${(greatest * 100).toFixed(0)} % of the machine. Repeat it at rest.`];
}

/** Undefined where it was not measured. */
export function visibleLine({ visible }: BenchResult): string | undefined {
  if (visible.length === 0) {
    return undefined;
  }
  const middle = (field: (one: Visible) => number): string => whole(spread(visible.map(field)).median);
  const worst = whole(Math.max(...visible.map((one) => one.p99_ms)));
  const pace = `${middle((one) => one.acknowledged_per_s)} single events/s (half the peak)`;
  const figures = `p50 ${middle((one) => one.p50_ms)} ms, p99 ${middle((one) => one.p99_ms)} ms`;
  return `from publish to visible in /events at ${pace}: ${figures} (worst round ${worst} ms); aim p99 below 100 ms`;
}

function colourOf(subject: Subject): string {
  if (subject.startsWith("naive")) {
    return "#c77700";
  }
  return ["echo", "postgres", "unaudited"].includes(subject) ? "#9aa6b5" : "#187a4b";
}

function bars(result: BenchResult): Bar[] {
  return rows(result).map(({ subject, rate }) => ({ name: SUBJECTS[subject], colour: colourOf(subject), ...rate }));
}

const STYLE = `
  :root { color-scheme: light; }
  body { font: 15px/1.5 system-ui, sans-serif; color: #1c2430; max-width: 1120px; margin: 28px auto; padding: 0 24px; }
  h1 { font-size: 24px; margin: 0; } h2 { font-size: 16px; margin: 26px 0 8px; }
  p { color: #5d6b7e; margin: 6px 0; }
  table { border-collapse: collapse; width: 100%; font-size: 13px; font-variant-numeric: tabular-nums; }
  td, th { border-bottom: 1px solid #dfe4ea; padding: 4px 8px; }
  th { text-align: left; font-weight: 500; } td { text-align: right; }
  svg { width: 100%; height: auto; }`;

function ratioRows(result: BenchResult): string[][] {
  return ratios(result).map(({ of, to, aim, found }) => [
    SUBJECTS[of],
    SUBJECTS[to],
    found.median.toFixed(2),
    `${found.least.toFixed(2)} … ${found.greatest.toFixed(2)}`,
    String(aim),
  ]);
}

/** A heading and a table; nothing where nothing was measured. */
function section(
  title: string,
  headings: number,
  head: readonly string[],
  lines: readonly (readonly string[])[],
): string[] {
  const all = [...(head.length === 0 ? [] : [head]), ...lines].map((cells) => row(headings, cells));
  return lines.length === 0 ? [] : [tag("h2", {}, escaped(title)), tag("table", {}, ...all)];
}

export function benchPage(result: BenchResult): string {
  const lines = rows(result).map(({ subject, cells }) => [SUBJECTS[subject], ...cells]);
  const notes = [visibleLine(result), generatorLine(result), ...disturbance(result)].filter(
    (line) => line !== undefined,
  );
  const chart = [tag("h2", {}, "Events a second (median, with least and greatest)"), barChart(bars(result))];
  return htmlPage("Sekali: benchmark", STYLE, [
    tag("h1", {}, "Sekali: benchmark"),
    tag("p", {}, escaped(conditions(result))),
    ...(lines.length === 0 ? [] : chart),
    ...section("Beside the limits", 2, ["measured", "against", "median", "least … greatest", "aim"], ratioRows(result)),
    ...notes.map((line) => tag("p", {}, escaped(line.trim()))),
    ...section("All figures (medians)", 1, ["", ...COLUMNS], lines),
    ...section("Memory (resident)", 1, [], memoryRows(result.memory)),
    ...section("As it grows, batches of 100", 1, GROWTH_COLUMNS, growthRows(result.growth)),
    ...growthVerdicts(result.growth).map((line) => tag("p", {}, escaped(line))),
  ]);
}
