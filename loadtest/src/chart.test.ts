import { expect, test } from "bun:test";
import { barChart, clock, lineChart } from "./chart.ts";

test("lines are drawn over minutes and seconds, each with its name and colour", () => {
  const svg = lineChart([
    {
      name: "stored",
      colour: "#187a4b",
      points: [
        [0, 0],
        [90, 12_000],
      ],
    },
    { name: "queued", colour: "#2457a6", points: [] },
  ]);
  expect(svg).toStartWith("<svg");
  for (const text of ["stored", "queued", "#187a4b", "12,000", "1:30"]) expect(svg).toContain(text);
});

test("names are text, whatever they hold", () => {
  expect(lineChart([{ name: "<script>", colour: "#000", points: [[0, 1]] }])).not.toContain("<script>");
});

test("bars show their median in words", () => {
  const svg = barChart([{ name: "echo", colour: "#9aa6b5", median: 31_363.4, least: 29_000, greatest: 33_000 }]);
  for (const text of ["echo", "31,363/s"]) expect(svg).toContain(text);
});

test("a clock counts minutes on", () => {
  expect([0, 59.6, 61, 3601].map(clock)).toEqual(["0:00", "1:00", "1:01", "60:01"]);
});
