import { expect, test } from "bun:test";
import { version } from "uuid";
import { lineEventId, lineNamespace } from "./identity.ts";
import { LineSplitter } from "./lines.ts";

function ids(text: string, source = "web", identity = ""): string[] {
  const namespace = lineNamespace(source, identity);
  const splitter = new LineSplitter(1024);
  return [...splitter.push(new TextEncoder().encode(text))].map((line) => lineEventId(namespace, line));
}

test("an id is a UUIDv5, and the same in every run and release", () => {
  // A changed scheme would store every log a second time. If it must change, change the namespace and say so.
  expect(ids("first\nsecond\n")).toEqual([
    "f226a87b-df88-5149-adf5-e5b6bc11b9f0",
    "6be2c9d1-b48d-5f9b-958d-b1ae121150f6",
  ]);
  expect(ids("first\nsecond\n").map(version)).toEqual([5, 5]);
});

test("a file that has grown keeps the ids it had", () => {
  expect(ids("a\nb\nc\n").slice(0, 2)).toEqual(ids("a\nb\n"));
});

test("files that share their first lines share these ids and no others", () => {
  const [header, line] = ids("# header\nmonday\n# header\n");
  const [sameHeader, ...others] = ids("# header\ntuesday\n# header\n");
  expect(sameHeader).toBe(String(header));
  expect(others).not.toContain(line);
  expect(new Set([...ids("# header\nmonday\n# header\n"), ...others]).size).toBe(5);
});

test("source and identity make other events of the same file, and can't be mistaken for each other", () => {
  const all = [ids("a\n"), ids("a\n", "db"), ids("a\n", "web", "x"), ids("a\n", "webx", ""), ids("a\n", 'web","x', "")];
  expect(new Set(all.flat()).size).toBe(5);
});
