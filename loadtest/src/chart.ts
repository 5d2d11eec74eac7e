/** Charts as SVG text, drawn by Apache ECharts without a browser, for pages that may load nothing. */
import { BarChart, CustomChart, LineChart } from "echarts/charts";
import { GridComponent, LegendComponent } from "echarts/components";
import { type EChartsCoreOption, init, use } from "echarts/core";
import { SVGRenderer } from "echarts/renderers";

use([BarChart, CustomChart, GridComponent, LegendComponent, LineChart, SVGRenderer]);

const WIDTH = 1_040;
const LINES_HEIGHT = 240;
const BAR_HEIGHT = 34;
const TEXT_STYLE = { fontFamily: "system-ui, sans-serif", fontSize: 12, color: "#5d6b7e" };
const GRID_LINES = { lineStyle: { color: "#e6eaef" } };

export interface Line {
  readonly name: string;
  readonly colour: string;
  /** Seconds since the run began, and a value. */
  readonly points: readonly (readonly [number, number])[];
}

export interface Bar {
  readonly name: string;
  readonly colour: string;
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
}

const inWords = (value: number): string => value.toLocaleString("en-GB", { maximumFractionDigits: 2 });

/** m:ss */
export function clock(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")}`;
}

function draw(height: number, option: EChartsCoreOption): string {
  const chart = init(null, null, { renderer: "svg", ssr: true, width: WIDTH, height });
  try {
    chart.setOption({ animation: false, textStyle: TEXT_STYLE, ...option });
    return chart.renderToSVGString();
  } finally {
    chart.dispose();
  }
}

/** Values over the time of a run, from zero on. */
export function lineChart(lines: readonly Line[]): string {
  const end = Math.max(1, ...lines.flatMap(({ points }) => points.map(([at]) => at)));
  return draw(LINES_HEIGHT, {
    color: lines.map(({ colour }) => colour),
    legend: { left: 60, top: 0, icon: "roundRect", itemWidth: 12, itemHeight: 12, textStyle: TEXT_STYLE },
    grid: { left: 64, right: 28, top: 34, bottom: 26 },
    xAxis: { type: "value", max: end, axisLabel: { formatter: clock, hideOverlap: true }, splitLine: { show: false } },
    yAxis: { type: "value", min: 0, axisLabel: { formatter: inWords }, splitLine: GRID_LINES },
    series: lines.map(({ name, points }) => ({
      type: "line",
      name,
      showSymbol: false,
      lineStyle: { width: 2 },
      data: points.map(([at, value]) => [at, value]),
    })),
  });
}

/** Medians as bars, and what lies between the least and the greatest as a line over each. */
export function barChart(bars: readonly Bar[]): string {
  return draw(bars.length * BAR_HEIGHT + 30, {
    grid: { left: 400, right: 90, top: 4, bottom: 26 },
    xAxis: { type: "value", axisLabel: { formatter: inWords }, splitLine: GRID_LINES },
    yAxis: { type: "category", inverse: true, data: bars.map(({ name }) => name), axisTick: { show: false } },
    series: [
      {
        type: "bar",
        barWidth: 22,
        data: bars.map(({ median, colour }) => ({ value: median, itemStyle: { color: colour } })),
      },
      {
        type: "custom",
        z: 3,
        encode: { x: [1, 2], y: 0 },
        data: bars.map(({ least, greatest, median }, row) => [row, least, greatest, median]),
        renderItem: whisker,
      },
    ],
  });
}

interface Places {
  value(dimension: number): number;
  coord(place: readonly [number, number]): [number, number];
}

function whisker(_: unknown, places: Places) {
  const row = places.value(0);
  const [left, y] = places.coord([places.value(1), row]);
  const [right] = places.coord([places.value(2), row]);
  return {
    type: "group",
    children: [
      { type: "line", shape: { x1: left, x2: right, y1: y, y2: y }, style: { stroke: "#1c2430", lineWidth: 1.5 } },
      {
        type: "text",
        x: right + 8,
        y: y - 6,
        style: { text: `${inWords(Math.round(places.value(3)))}/s`, fill: TEXT_STYLE.color, font: "12px system-ui" },
      },
    ],
  };
}
