/** Line charts as SVG text, for pages that may load nothing. Pure. */
import { escaped, tag } from "./markup.ts";

export interface Line {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly (readonly [number, number])[];
}

const WIDTH = 1_040;
const HEIGHT = 230;
const LEFT = 64;
const RIGHT = 16;
const TOP = 26;
const BOTTOM = 28;
const GRID_LINES = 4;

/** The next of 1, 2, 5, 10, 20, 50 … at or above a value: an axis that ends on a figure people can read. */
export function axisEnd(value: number): number {
  if (value <= 0) {
    return 1;
  }
  const power = 10 ** Math.floor(Math.log10(value));
  const step = [1, 2, 4, 5, 10].find((factor) => factor * power >= value) ?? 10;
  return step * power;
}

export function svg(width: number, height: number, children: readonly string[]): string {
  const font = { "font-family": "system-ui, sans-serif", "font-size": 12, fill: "#5d6b7e" };
  return tag("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", ...font }, ...children);
}

function legend(lines: readonly Line[]): string {
  let x = LEFT;
  return lines
    .map(({ name, colour }) => {
      const at = x;
      x += 34 + name.length * 7.5;
      const square = tag("rect", { x: at, y: 4, width: 12, height: 12, rx: 2, fill: colour });
      return square + tag("text", { x: at + 17, y: 14 }, escaped(name));
    })
    .join("");
}

export function lineChart(lines: readonly Line[]): string {
  const all = lines.flatMap((line) => line.points);
  const x_end = Math.max(1, ...all.map(([x]) => x));
  const y_end = axisEnd(Math.max(0, ...all.map(([, y]) => y)));
  const across = (x: number): number => LEFT + (x / x_end) * (WIDTH - LEFT - RIGHT);
  const up = (y: number): number => HEIGHT - BOTTOM - (y / y_end) * (HEIGHT - TOP - BOTTOM);
  const grid = Array.from({ length: GRID_LINES + 1 }, (_, index) => {
    const value = (y_end * index) / GRID_LINES;
    const y = up(value);
    const line = tag("line", { x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y, stroke: "#e6eaef" });
    return line + tag("text", { x: LEFT - 8, y: y + 4, "text-anchor": "end" }, value.toLocaleString("en-GB"));
  });
  const seconds = Array.from({ length: 6 }, (_, index) => {
    const value = (x_end * index) / 5;
    return tag("text", { x: across(value), y: HEIGHT - 8, "text-anchor": "middle" }, `${value.toFixed(0)} s`);
  });
  const drawn = lines.map(({ colour, points }) => {
    const path = points.map(([x, y]) => `${across(x).toFixed(1)},${up(y).toFixed(1)}`).join(" ");
    return tag("polyline", {
      fill: "none",
      stroke: colour,
      "stroke-width": 2,
      "stroke-linejoin": "round",
      points: path,
    });
  });
  return svg(WIDTH, HEIGHT, [legend(lines), ...grid, ...seconds, ...drawn]);
}
