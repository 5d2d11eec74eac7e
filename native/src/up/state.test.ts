import { expect, test } from "bun:test";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeTemporaryFolder, removeTemporaryFolder } from "../folder.ts";
import { markOf, readState, stillRuns, writeState } from "./state.ts";

test("a pid that now belongs to another process is not taken for the one that was meant", () => {
  const mark = markOf(process.pid);
  expect(stillRuns(mark)).toBe(true);
  expect(stillRuns({ pid: process.pid, started: "long ago" })).toBe(false);
  expect(stillRuns(undefined)).toBe(false);
});

test("a process that has ended no longer runs", async () => {
  const child = Bun.spawn(["sleep", "60"]);
  const mark = markOf(child.pid);
  expect(stillRuns(mark)).toBe(true);
  child.kill();
  await child.exited;
  expect(stillRuns(mark)).toBe(false);
});

test("reads back what it wrote, and nothing from a file that is missing or torn", () => {
  const folder = makeTemporaryFolder("state");
  const file = join(folder, "deep", "state.json");
  expect(readState(file)).toBeUndefined();
  const state = { supervisor: { pid: 1, started: "x" }, url: "http://127.0.0.1:1", services: { a: { ended: 0 } } };
  writeState(file, state);
  expect(readState(file)).toEqual(state);
  writeFileSync(file, '{"supervisor":');
  expect(readState(file)).toBeUndefined();
  removeTemporaryFolder(folder);
});
