import { describe, expect, test } from "bun:test";
import { recordedLog } from "../../test/fakes/recorded-log.ts";
import { Throttle } from "./log.ts";

function throttle(linesPerSecondMax: number, level: "debug" | "info" = "info") {
  const { log, lines } = recordedLog("info");
  const clock = { ms: 1_700_000_000_000 };
  return { lines, clock, throttle: new Throttle(log, level, "Dropped", linesPerSecondMax, () => clock.ms) };
}

describe("a throttle", () => {
  test("writes so many lines a second and counts the others", () => {
    const { throttle: dropped, lines, clock } = throttle(2);
    for (let n = 1; n <= 5; n += 1) dropped.write({ n });
    expect(lines).toEqual([
      { level: "info", n: 1, msg: "Dropped" },
      { level: "info", n: 2, msg: "Dropped" },
    ]);
    clock.ms += 1000;
    dropped.write({ n: 6 });
    expect(lines.slice(2)).toEqual([
      { level: "info", left_out: 3, msg: "Dropped: further lines left out" },
      { level: "info", n: 6, msg: "Dropped" },
    ]);
  });

  test("has the whole room again in the next second, not a second after the last line", () => {
    const { throttle: dropped, clock } = throttle(2);
    clock.ms += 999;
    dropped.write({});
    dropped.write({});
    expect(dropped.room).toBe(0);
    clock.ms += 1;
    expect(dropped.room).toBe(2);
  });

  test("tells how many lines it still takes", () => {
    const { throttle: dropped } = throttle(3);
    expect(dropped.room).toBe(3);
    dropped.write({});
    expect(dropped.room).toBe(2);
  });

  test("counts lines that were never made", () => {
    const { throttle: dropped, lines, clock } = throttle(1);
    dropped.leaveOut(40);
    dropped.leaveOut(0);
    dropped.leaveOut(2);
    clock.ms += 1000;
    dropped.flush();
    expect(lines).toEqual([{ level: "info", left_out: 42, msg: "Dropped: further lines left out" }]);
  });

  test("says a count once, and nothing where nothing was left out", () => {
    const { throttle: dropped, lines, clock } = throttle(1);
    dropped.flush();
    clock.ms += 1000;
    dropped.leaveOut(1);
    dropped.flush();
    expect(lines).toEqual([]);
    for (let second = 0; second < 3; second += 1) {
      clock.ms += 1000;
      dropped.flush();
    }
    expect(lines).toHaveLength(1);
  });

  test("has no room below the log's level, and writes nothing there", () => {
    const { throttle: processed, lines, clock } = throttle(10, "debug");
    expect([processed.isEnabled, processed.room]).toEqual([false, 0]);
    processed.write({});
    clock.ms += 1000;
    processed.flush();
    expect(lines).toEqual([]);
  });
});
