import { expect, test } from "bun:test";

test.each(["limits.ts", "simulation.ts"])("%s imports nothing, so that load scripts can bundle it", async (name) => {
  const source = await Bun.file(new URL(name, import.meta.url)).text();
  expect(new Bun.Transpiler({ loader: "ts" }).scanImports(source)).toEqual([]);
});
