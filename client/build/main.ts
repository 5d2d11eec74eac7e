/**
 * Builds the package as others get it, in `client/dist` or the folder that is named: ECMAScript modules with everything
 * bundled in, so that it has no dependencies and a page can import it as it is; types beside them; and a package.json
 * of its own, because that of the workspace names sources.
 */
import { copyFile, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { $, type BunPlugin } from "bun";
import packageJson from "../package.json" with { type: "json" };

const HOME = join(import.meta.dir, "..");
const DIST = process.argv[2] ?? join(HOME, "dist");
const TYPES = join(DIST, "types");
const ENTRIES = ["index", "pino"];

/** The other entries import the index as their neighbour, instead of each holding a copy of it. */
const besideIndex: BunPlugin = {
  name: "beside-index",
  setup: (build) => {
    build.onResolve({ filter: /^\.\/index\.ts$/ }, () => ({ path: "./index.js", external: true }));
  },
};

async function bundle(entry: string, target: "browser" | "node"): Promise<void> {
  const entrypoints = [join(HOME, "src", `${entry}.ts`)];
  const result = await Bun.build({ entrypoints, target, format: "esm", plugins: [besideIndex] });
  const [script] = result.outputs;
  if (!result.success || script === undefined) throw new AggregateError(result.logs, `${entry} can't be bundled`);
  await writeFile(join(DIST, `${entry}.js`), await script.text());
}

/** Declarations name their neighbours as `.ts`, which is right here, and as `.js` in a package. */
async function declareTypes(): Promise<void> {
  for (const project of ["client", "client/tsconfig.pino.json"]) {
    await $`${process.execPath} x tsc --project ${project} --outDir ${TYPES}`.cwd(join(HOME, ".."));
  }
  const wanted = new Set(ENTRIES);
  for (const name of wanted) {
    const path = join(TYPES, `${name}.d.ts`);
    const text = await readFile(path, "utf8");
    const published = text.replaceAll(/ from "([^"]+)"/g, (_, from: string) => {
      const neighbour = /^\.\/(.+)\.ts$/.exec(from)?.[1];
      if (neighbour === undefined) throw new Error(`the types of ${name} need ${from}, which is not in the package`);
      wanted.add(neighbour);
      return ` from "./${neighbour}.js"`;
    });
    await writeFile(path, published);
  }
  for (const file of await readdir(TYPES)) {
    if (!wanted.has(file.replace(/\.d\.ts$/, ""))) await rm(join(TYPES, file));
  }
}

async function describePackage(): Promise<void> {
  const { name, version, description, license } = packageJson;
  const exports = Object.fromEntries(
    ENTRIES.map((entry) => [
      entry === "index" ? "." : `./${entry}`,
      { types: `./types/${entry}.d.ts`, default: `./${entry}.js` },
    ]),
  );
  const published = { name, version, description, license, type: "module", engines: { node: ">=20" }, exports };
  await writeFile(join(DIST, "package.json"), `${JSON.stringify({ ...published, sideEffects: false }, null, 2)}\n`);
  await copyFile(join(HOME, "README.md"), join(DIST, "README.md"));
  await copyFile(join(HOME, "..", "LICENSE"), join(DIST, "LICENSE"));
  const notices = join(DIST, "THIRD_PARTY_NOTICES");
  await $`${process.execPath} make/notices/main.ts ${notices} client`.cwd(join(HOME, ".."));
}

await rm(DIST, { recursive: true, force: true });
await mkdir(DIST, { recursive: true });
await bundle("index", "browser");
await bundle("pino", "node");
await declareTypes();
await describePackage();
