import { describe, expect, test } from "bun:test";
import { timestampFault } from "@sekali/contract";
import { lineTimestamp } from "./timestamp.ts";

const NOW = Date.parse("2026-11-23T15:55:50Z");
const utc = { zone: "utc", referenceMs: NOW } as const;

describe("ISO 8601 and its relatives", () => {
  test.each([
    ["2026-11-23T15:55:50Z started", "2026-11-23T15:55:50Z"],
    ["2026-11-23T15:55:50.123456789+07:00 stdout F x", "2026-11-23T08:55:50.123456Z"],
    ["2026-11-23T22:55:50-0530 host", "2026-11-24T04:25:50Z"],
    ["2026-11-23 15:55:50,123 INFO python", "2026-11-23T15:55:50.123Z"],
    ["2026-11-23 15:55:50 status installed libc6:amd64 2.36", "2026-11-23T15:55:50Z"],
    ["2026-11-23 15:55:50.001 UTC [123] LOG:  postgres", "2026-11-23T15:55:50.001Z"],
    ["2026-11-23 15:55:50+07 psql", "2026-11-23T08:55:50Z"],
    ["2026-11-23 15:55:50 +0700 journal", "2026-11-23T08:55:50Z"],
    ["2026-11-23T15:55Z minutes will do", "2026-11-23T15:55:00Z"],
    ["[2026-11-23T15:55:50Z] bracketed", "2026-11-23T15:55:50Z"],
    ['{"level":"info","time":"2026-11-23T15:55:50.5Z","msg":"x"}', "2026-11-23T15:55:50.5Z"],
    ['time="2026-11-23T15:55:50Z" level=info', "2026-11-23T15:55:50Z"],
    ["Start-Date: 2026-11-23  15:55:50", "2026-11-23T15:55:50Z"],
    ["Log started: 2026-11-23  15:55:50", "2026-11-23T15:55:50Z"],
    ["update-alternatives 2026-11-23 15:55:50: run with --quiet", "2026-11-23T15:55:50Z"],
    ["2026/11/23 15:55:50 [error] 7#7: *1 nginx", "2026-11-23T15:55:50Z"],
    ["<34>1 2026-11-23T15:55:50.003Z host app - RFC 5424", "2026-11-23T15:55:50.003Z"],
    ["\uFEFF2026-11-23T15:55:50Z after a byte order mark", "2026-11-23T15:55:50Z"],
    ["2026-11-23 15:55:50 -1899 items, which is no offset", "2026-11-23T15:55:50Z"],
    ["0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"],
  ])("%s", (line, expected) => {
    expect(lineTimestamp(line, utc)).toBe(expected);
    expect(timestampFault(expected)).toBeUndefined();
  });
});

describe("syslog", () => {
  test.each([
    ["Nov 23 15:55:50 host sshd[1]: x", "2026-11-23T15:55:50Z"],
    ["Nov  3 05:05:05 host x", "2026-11-03T05:05:05Z"],
    ["<13>Nov 23 15:55:50 host x", "2026-11-23T15:55:50Z"],
    ["Nov 23 2025 15:55:50: %ASA-6-302013", "2025-11-23T15:55:50Z"],
    ["Nov 24 15:00:00 a clock that is a little ahead", "2026-11-24T15:00:00Z"],
    ["Nov 25 15:55:50 can only be last year's", "2025-11-25T15:55:50Z"],
    ["Dec 31 23:59:59 last year's", "2025-12-31T23:59:59Z"],
    ["Feb 29 12:00:00 of the last leap year", "2024-02-29T12:00:00Z"],
  ])("%s", (line, expected) => {
    expect(lineTimestamp(line, utc)).toBe(expected);
  });

  test("the year is that of the file's last change, so an old file keeps its times", () => {
    const old = { zone: "utc", referenceMs: Date.parse("2020-01-02T00:00:00Z") } as const;
    expect(lineTimestamp("Jan  1 10:00:00 host x", old)).toBe("2020-01-01T10:00:00Z");
    expect(lineTimestamp("Dec 31 10:00:00 host x", old)).toBe("2019-12-31T10:00:00Z");
  });
});

describe("Apache and nginx", () => {
  test.each([
    ['127.0.0.1 - - [23/Nov/2026:15:55:50 +0000] "GET / HTTP/1.1" 200 1', "2026-11-23T15:55:50Z"],
    ['::1 - frank [23/Nov/2026:15:55:50 -0700] "GET / HTTP/1.0" 200 2', "2026-11-23T22:55:50Z"],
    ["[Mon Nov 23 15:55:50.123456 2026] [core:error] [pid 1] x", "2026-11-23T15:55:50.123456Z"],
    ["[Mon Nov 23 15:55:50 2026] [notice] x", "2026-11-23T15:55:50Z"],
  ])("%s", (line, expected) => {
    expect(lineTimestamp(line, utc)).toBe(expected);
  });
});

describe("no timestamp", () => {
  test.each([
    [""],
    ["    at main (file.ts:1:1)"],
    ["2026-02-30T10:00:00Z does not exist"],
    ["2026-11-23T24:00:00Z"],
    ["2026-11-23T23:59:60Z a leap second"],
    ["2026-13-01 10:00:00"],
    ["0000-01-01T00:00:00Z"],
    ["0001-01-01T00:00:00+01:00 is in the year before the first"],
    ["Feb 30 10:00:00 host"],
    ["Nov 23 99:55:50 host"],
    ["the licence of 12 machines ends on 2030-01-01 00:00:00"],
    ["version 2026-11-23"],
    ['x - - [31/Feb/2026:15:55:50 +0000] "GET /"'],
    ["1234567890 an epoch"],
  ])("%s", (line) => {
    expect(lineTimestamp(line, utc)).toBeUndefined();
  });

  test("a long line is not searched to its end", () => {
    const startMs = performance.now();
    for (let n = 0; n < 200; n += 1) lineTimestamp(`${'["(=:'.repeat(200_000)}`, utc);
    expect(performance.now() - startMs).toBeLessThan(1000);
  });
});

test("a time without an offset is told in the machine's zone, one with an offset is not", () => {
  const script = `
    import { lineTimestamp } from ${JSON.stringify(new URL("./timestamp.ts", import.meta.url).pathname)};
    const lines = ["2026-11-23 15:55:50 x", "Jul  1 12:00:00 h x", "2026-11-23T15:55:50Z x"];
    console.log(lines.map((line) => lineTimestamp(line, { zone: "local", referenceMs: ${NOW} })).join());`;
  const run = (TZ: string) =>
    Bun.spawnSync([process.execPath, "-e", script], { env: { ...process.env, TZ } })
      .stdout.toString()
      .trim();
  expect(run("Asia/Jakarta")).toBe("2026-11-23T08:55:50Z,2026-07-01T05:00:00Z,2026-11-23T15:55:50Z");
  expect(run("America/New_York")).toBe("2026-11-23T20:55:50Z,2026-07-01T16:00:00Z,2026-11-23T15:55:50Z");
});
