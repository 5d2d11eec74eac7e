import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { makeTemporaryFolder, removeTemporaryFolder } from "../folder.ts";
import { RotatingLog } from "./rotating-log.ts";

const line = (text: string) => new TextEncoder().encode(`${text}\n`);

test("keeps the newest lines within its bounds, also over a restart", () => {
  const folder = makeTemporaryFolder("log");
  const file = join(folder, "x.log");
  const bounds = { file_bytes_max: 10, files_kept: 2 };
  for (const text of ["one", "two", "three", "four"]) new RotatingLog(file, bounds).write(line(text));
  const log = new RotatingLog(file, bounds);
  for (const text of ["five", "six", "seven"]) log.write(line(text));
  expect(readdirSync(folder).sort()).toEqual(["x.log", "x.log.1", "x.log.2"]);
  expect(readFileSync(file, "utf8")).toBe("six\nseven\n");
  expect(readFileSync(`${file}.1`, "utf8")).toBe("four\nfive\n");
  expect(readFileSync(`${file}.2`, "utf8")).toBe("three\n");
  removeTemporaryFolder(folder);
});

test("a chunk larger than a whole file is still written", () => {
  const folder = makeTemporaryFolder("log");
  const file = join(folder, "x.log");
  new RotatingLog(file, { file_bytes_max: 4, files_kept: 1 }).write(line("longer than four bytes"));
  expect(readFileSync(file, "utf8")).toBe("longer than four bytes\n");
  removeTemporaryFolder(folder);
});
