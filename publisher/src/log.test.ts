import { expect, test } from "bun:test";
import { createLogger, LogLimit } from "./log.ts";

test("one line through in each interval, with the number of those left out", () => {
  const limit = new LogLimit(1000);
  expect([0, 10, 999, 1000, 1001, 5000].map((now) => limit.admit(now))).toEqual([
    0,
    undefined,
    undefined,
    2,
    undefined,
    1,
  ]);
});

test("a log line is one line of JSON, whatever it is told", () => {
  const lines: string[] = [];
  createLogger("info", { write: (line) => lines.push(line) }).info({ source: "a\nb\u001B[31m\u0000" }, "two\nlines");
  expect(lines.length).toBe(1);
  expect(lines[0]?.trimEnd()).not.toMatch(/\p{Cc}/u);
  expect(JSON.parse(lines[0] ?? "")).toMatchObject({
    level: "info",
    source: "a\nb\u001B[31m\u0000",
    msg: "two\nlines",
  });
});
