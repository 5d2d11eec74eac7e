/** One chart over time: uPlot draws the lines, the legend is text, so that the figures can be read and heard. */
import { signal } from "@preact/signals";
import { useEffect, useMemo, useRef } from "preact/hooks";
import uPlot from "uplot";
import "uplot/dist/uPlot.min.css";
import { formatClock, formatShort } from "./format.ts";

export interface Line {
  readonly name: string;
  /** A class that gives the colour: `ink-unique` … */
  readonly ink: string;
  readonly values: readonly (number | null)[];
  /** Fills the space below. */
  readonly isArea?: boolean;
}

interface ChartProps {
  readonly title: string;
  readonly timesMs: readonly number[];
  readonly lines: readonly Line[];
  readonly format: (value: number) => string;
}

const HEIGHT_PX = 184;
/** Between marks of the time; clocks show no less than a second. */
const STEPS_S = [1, 2, 5, 10, 15, 30, 60, 120, 180, 300, 600];
const DARK = "(prefers-color-scheme: dark)";

export function Chart({ title, timesMs, lines, format }: ChartProps) {
  const frame = useRef<HTMLDivElement>(null);
  const plot = useRef<uPlot | undefined>(undefined);
  const at = useMemo(() => signal<number | undefined>(undefined), []);
  const data = [timesMs.map((ms) => ms / 1000), ...lines.map(({ values }) => values)] as uPlot.AlignedData;
  const latest = useRef(data);
  latest.current = data;

  useEffect(() => {
    const element = frame.current;
    if (element === null) return;
    const draw = () => {
      plot.current?.destroy();
      const onCursor = (index: number | null | undefined) => {
        at.value = index ?? undefined;
      };
      plot.current = new uPlot(optionsOf(element, lines, onCursor), latest.current, element);
    };
    draw();
    const resized = new ResizeObserver(() => {
      plot.current?.setSize({ width: element.clientWidth, height: HEIGHT_PX });
    });
    resized.observe(element);
    const scheme = matchMedia(DARK);
    scheme.addEventListener("change", draw);
    return () => {
      resized.disconnect();
      scheme.removeEventListener("change", draw);
      plot.current?.destroy();
    };
    // The lines' names and inks are fixed; only their values change, below.
  }, [at]);

  useEffect(() => plot.current?.setData(data), [data]);

  const index = at.value ?? timesMs.length - 1;
  const valueAt = ({ values }: Line) => (values[index] == null ? "–" : format(values[index]));
  const spoken = lines.map((line) => `${line.name} ${valueAt(line)}`).join(", ");
  return (
    <div class="chart">
      <div class="chart-head">
        <h3>{title}</h3>
        <ul class="legend">
          {lines.map((line) => (
            <li key={line.name}>
              <span class={`swatch ${line.ink}`} />
              {line.name} <b>{valueAt(line)}</b>
            </li>
          ))}
          {at.value !== undefined && <li class="quiet">{formatClock(timesMs[index] ?? 0)}</li>}
        </ul>
      </div>
      <div ref={frame} class="chart-frame" role="img" aria-label={`${title}, now: ${spoken}`}>
        {lines.map((line) => (
          <span key={line.name} hidden class={`probe ${line.ink}`} />
        ))}
        <span hidden class="probe ink-grid" />
        <span hidden class="probe ink-axis" />
      </div>
    </div>
  );
}

/** A canvas knows no CSS: the colours are read from elements that have them. */
function inkOf(frame: HTMLElement, ink: string): string {
  const probe = frame.querySelector(`.probe.${ink}`);
  return probe === null ? "gray" : getComputedStyle(probe).color;
}

/** Seconds only where neighbours would read alike without. */
const label = (s: number, stepS: number) => formatClock(s * 1000).slice(0, stepS < 60 ? 8 : 5);

function optionsOf(
  frame: HTMLElement,
  lines: readonly Line[],
  onCursor: (index: number | null | undefined) => void,
): uPlot.Options {
  const grid = { stroke: inkOf(frame, "ink-grid"), width: 1 };
  const axis = { stroke: inkOf(frame, "ink-axis"), font: "11px system-ui, sans-serif", grid, ticks: { show: false } };
  return {
    width: frame.clientWidth,
    height: HEIGHT_PX,
    legend: { show: false },
    cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
    hooks: { setCursor: [(plot) => onCursor(plot.cursor.idx)] },
    scales: { y: { range: (_, __, max) => [0, Math.max(max * 1.1, 5)] } },
    axes: [
      {
        ...axis,
        size: 24,
        space: 72,
        incrs: STEPS_S,
        values: (_, ticks, __, ___, stepS) => ticks.map((s) => label(s, stepS)),
      },
      { ...axis, size: 48, space: 36, values: (_, ticks) => ticks.map(formatShort) },
    ],
    series: [
      {},
      ...lines.map(({ name, ink, isArea = false }) => {
        const stroke = inkOf(frame, ink);
        const fill = isArea ? { fill: stroke.replace(/^rgb\((.*)\)$/, "rgba($1, 0.16)") } : {};
        return { label: name, stroke, width: 1.5, points: { show: false }, ...fill };
      }),
    ],
  };
}
