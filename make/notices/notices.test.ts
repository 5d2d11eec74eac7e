/** What we give away of others is named, with its notice, by what source maps say, too: that is another list. */
import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { bundledBy, PROGRAMS, type Program, packageFolderOf, ROOT } from "./bundled.ts";
import { noticesOf, render } from "./notices.ts";

const programs = Object.keys(PROGRAMS) as Program[];
const readJson = (path: string) => JSON.parse(readFileSync(join(ROOT, path), "utf8"));

/** Ids of the packages whose files a program's source maps name. */
async function mappedIn(program: Program): Promise<ReadonlySet<string>> {
  const ids = new Set<string>();
  for (const { entry, target } of PROGRAMS[program]) {
    const { outputs } = await Bun.build({
      entrypoints: [join(ROOT, entry)],
      target,
      sourcemap: "external",
      root: ROOT,
    });
    for (const map of outputs.filter(({ kind }) => kind === "sourcemap")) {
      for (const source of ((await map.json()) as { sources: string[] }).sources) {
        const folder = packageFolderOf(source.slice(source.indexOf("node_modules/")));
        if (!source.includes("node_modules/") || folder === undefined) continue;
        const { name, version } = readJson(join(folder, "package.json"));
        ids.add(`${name}@${version}`);
      }
    }
  }
  return ids;
}

describe.each(programs)("%s", (program) => {
  test("each package whose code is in it has an entry, and each entry its text", async () => {
    const notices = noticesOf(await bundledBy([program]));
    const ids = notices.map(({ id }) => id);
    expect(ids).toEqual(expect.arrayContaining([...(await mappedIn(program))]));
    for (const { licence, texts } of notices) {
      expect(licence).not.toBe("not stated");
      if (licence === "Unlicense") continue;
      expect(texts.join("\n")).toMatch(/copyright|permission|license/i);
    }
    const text = render(notices, [program]);
    for (const id of ids) expect(text).toContain(`\n${id}: `);
  });

  test("each of its runtime dependencies has an entry", async () => {
    const { dependencies } = readJson(`${program}/package.json`) as { dependencies: Record<string, string> };
    const ids = noticesOf(await bundledBy([program])).map(({ id }) => id);
    const ofOthers = Object.entries(dependencies).filter(([, version]) => !version.startsWith("workspace:"));
    expect(ids).toEqual(expect.arrayContaining(ofOthers.map(([name, version]) => `${name}@${version}`)));
  });
});

test("what no package.json of ours names is there too: peers of dependencies, and what others have bundled", async () => {
  const notices = noticesOf(await bundledBy(["aggregator"]));
  const text = render(notices, ["aggregator"]);
  for (const id of ["file-type@", "strtok3@", "preact@", "uplot@"]) expect(text).toContain(`\n${id}`);
  const swagger = notices.find(({ id }) => id.startsWith("swagger-ui-dist@"));
  expect(swagger?.texts.join("\n")).toContain("SmartBear");
  // Where a package has no file for it, the heads of its sources.
  expect(notices.find(({ id }) => id.startsWith("@bufbuild/protobuf@"))?.texts.join("\n")).toContain("2008 Google");
  expect(text).toContain("https://bun.com/docs/project/license");
});

test("a package that holds no notice, though its licence asks for one, fails the build", () => {
  expect(() => noticesOf(new Map([["aggregator", []]]))).toThrow("neither a file of it nor a comment");
});
