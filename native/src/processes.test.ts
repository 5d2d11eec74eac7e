import { expect, test } from "bun:test";
import { descendantsOf, isAlive, killTree, parseProcStat, parsePs, startTimeOf } from "./processes.ts";
import { waitFor } from "./wait.ts";

test("reads a line of /proc/*/stat whose command holds blanks and brackets", () => {
  const line = `42 (a ) R (b) S 7 ${Array.from({ length: 17 }, (_, index) => index).join(" ")} 98765 1 2`;
  expect(parseProcStat(line)).toEqual({ pid: 42, parent: 7, started: "98765", zombie: false });
  expect(parseProcStat("")).toBeUndefined();
});

test("reads what ps prints where there is no /proc", () => {
  const text = "  501   1 Ss   Mon Nov 23 10:00:00 2026\n  502 501 Z    Mon Nov 23 10:00:01 2026\n";
  expect(parsePs(text)).toEqual([
    { pid: 501, parent: 1, started: "Mon Nov 23 10:00:00 2026", zombie: false },
    { pid: 502, parent: 501, started: "Mon Nov 23 10:00:01 2026", zombie: true },
  ]);
});

test("kills a process with its children and grandchildren", async () => {
  const child = Bun.spawn(["sh", "-c", "sh -c 'sleep 300 & wait' & wait"]);
  await waitFor("the grandchild to be there", 10_000, () => descendantsOf(child.pid).length >= 2);
  const all = [child.pid, ...descendantsOf(child.pid)];
  await killTree(child.pid);
  expect(all.filter(isAlive)).toEqual([]);
});

test("a process keeps its start time, and one that has ended has none", async () => {
  expect(startTimeOf(process.pid)).toBe(startTimeOf(process.pid) ?? "missing");
  const child = Bun.spawn(["true"]);
  await child.exited;
  expect(startTimeOf(child.pid)).toBeUndefined();
});
