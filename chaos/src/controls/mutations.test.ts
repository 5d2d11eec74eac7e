import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FAULTS } from "../faults/catalogue.ts";
import { applyEdit } from "./mutation.ts";
import { MUTATIONS } from "./mutations.ts";

const TOP = join(import.meta.dir, "..", "..", "..");
const read = (path: string) => readFileSync(join(TOP, path), "utf8");

describe("an edit", () => {
  test("replaces what is there once, literally", () => {
    expect(applyEdit("a b c", { path: "x", find: "b", replace: "$&$1" })).toBe("a $&$1 c");
  });

  test.each(["a c", "b b"])("fails loudly where its text is not there once: %s", (text) => {
    expect(() => applyEdit(text, { path: "x", find: "b", replace: "" })).toThrow(/times, not once/);
  });
});

describe.each(MUTATIONS.map((mutation) => [mutation.name, mutation] as const))("the mutation %s", (_name, mutation) => {
  test("still finds its text, and changes it", () => {
    for (const path of new Set(mutation.edits.map((edit) => edit.path))) {
      const before = read(path);
      const after = mutation.edits.filter((edit) => edit.path === path).reduce(applyEdit, before);
      expect(after).not.toBe(before);
    }
  });

  test("has evidence that there is", () => {
    const { evidence } = mutation;
    if ("faults" in evidence) {
      const names = FAULTS.map(({ name }) => name);
      for (const fault of evidence.faults) expect(names).toContain(fault);
    } else {
      expect(existsSync(join(TOP, evidence.path))).toBe(true);
      expect(read(evidence.path)).toContain(evidence.test);
    }
  });
});

test("every promise has a mutation", () => {
  const promises = new Set(MUTATIONS.map(({ promise }) => promise));
  expect([...promises].sort()).toEqual(["P1", "P2", "P3", "P4", "P5", "P6"]);
});
