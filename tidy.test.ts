/**
 * The style of this repository as a failing test, so that nobody has to remember it. After TigerBeetle's `tidy.zig`.
 *
 * A rule looks at one file and returns what it finds there. Each rule carries an example that it must find something
 * in: a rule that never fails would be no rule. `bun test ./tidy.test.ts`, or `make check`.
 */
import { describe, expect, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";

interface SourceFile {
  readonly path: string;
  readonly lines: readonly string[];
}

interface Rule {
  readonly name: string;
  applies(path: string): boolean;
  /** What is wrong, each as `line: complaint`. */
  find(file: SourceFile): string[];
  readonly example: { path: string; text: string };
}

const LINE_CHARACTERS_MAX = 120;
/** A row of a table, a long address, and the name of a test, which the formatter keeps on one line. */
const UNBREAKABLE = /^\s*\||https?:\/\/\S{60}|^\s*(test|describe)(\.\w+)*\("/;
const FILE_LINES_MAX = 400;
const FUNCTION_LINES_MAX = 70;

const isTypeScript = (path: string) => /\.tsx?$/.test(path);
const isTest = (path: string) => path.endsWith(".test.ts") || /^[a-z]+\/test\//.test(path);
const isProgram = (path: string) => /^(aggregator|publisher)\/src\//.test(path) && isTypeScript(path) && !isTest(path);
const isMain = (path: string) => /^main\.tsx?$/.test(basename(path));
const isSelf = (path: string) => path === "tidy.test.ts";
const isText = (path: string) =>
  /(\.(tsx?|css|sql|lua|md|ya?ml|sh)|Dockerfile|Makefile)$/.test(path) || /^(make|\.ci)\//.test(path);

/** A rule that looks at single lines. */
function lines(matches: (line: string) => boolean, complaint: string) {
  return (file: SourceFile) =>
    file.lines.flatMap((line, index) => (matches(line) ? [`${file.path}:${index + 1}: ${complaint}`] : []));
}

/** The modules that a file imports, in whatever form, types included. */
function importsOf(file: SourceFile): { from: string; line: number }[] {
  const pattern = /(?:^import\s|^export\s.*\sfrom\s|^\}\s*from\s|\bimport\(|^import\s.*from\s)\s*["'`]([^"'`]+)["'`]/;
  return file.lines.flatMap((line, index) => {
    const from = pattern.exec(line)?.[1] ?? /^(?:import|export|\}).*\bfrom "([^"]+)"/.exec(line)?.[1];
    return from === undefined ? [] : [{ from, line: index + 1 }];
  });
}

/** The path in this repository that an import names, or undefined for a package. */
function resolveImport(file: SourceFile, from: string): string | undefined {
  return from.startsWith(".") ? normalize(join(dirname(file.path), from)) : undefined;
}

function importRule(forbids: (path: string, from: string, target: string | undefined) => boolean, complaint: string) {
  return (file: SourceFile) =>
    importsOf(file)
      .filter(({ from }) => forbids(file.path, from, resolveImport(file, from)))
      .map(({ from, line }) => `${file.path}:${line}: imports ${from}: ${complaint}`);
}

const room = (path: string) => /^aggregator\/src\/([a-z]+)\//.exec(path)?.[1];
const LEAF_ROOMS = ["queue", "store"];
const DRIVERS = ["ioredis", "postgres"];

/** What a package offers to tests and to the programs that are tests run by hand. */
const isTestOnly = (from: string) => /^@sekali\/(aggregator\/harness|client\/test)\//.test(from);

/** k6 resolves no workspaces: its scripts name the contract's files by their place. */
const isSharedWithK6 = (path: string, target: string) =>
  path.startsWith("loadtest/k6/") && target.startsWith("contract/src/");

/** Whether a file speaks to Redis or Postgres itself, or through what it imports. What isn't there is not trusted. */
function reachesDriver(path: string, seen: Set<string> = new Set()): boolean {
  if (seen.has(path)) return false;
  seen.add(path);
  const file = files.find((each) => each.path === path);
  if (file === undefined) return true;
  return importsOf(file).some(({ from }) => {
    const target = resolveImport(file, from);
    return target === undefined ? DRIVERS.includes(from) : isTypeScript(target) && reachesDriver(target, seen);
  });
}

const rules: Rule[] = [
  {
    name: `a line has at most ${LINE_CHARACTERS_MAX} characters, outside tables, addresses and names of tests`,
    applies: isText,
    find: lines((line) => [...line].length > LINE_CHARACTERS_MAX && !UNBREAKABLE.test(line), "too long: break it"),
    example: { path: "contract/src/x.ts", text: "x".repeat(LINE_CHARACTERS_MAX + 1) },
  },
  {
    name: `a file has at most ${FILE_LINES_MAX} lines`,
    applies: (path) => /\.(tsx?|css|sql|lua)$/.test(path),
    find: (file) =>
      file.lines.length > FILE_LINES_MAX ? [`${file.path}: ${file.lines.length} lines: is it one room?`] : [],
    example: { path: "contract/src/x.ts", text: "x\n".repeat(FILE_LINES_MAX + 1) },
  },
  {
    name: `a function has at most ${FUNCTION_LINES_MAX} lines`,
    applies: (path) => isTypeScript(path) && !path.endsWith(".test.ts"),
    find: (file) =>
      functionsOf(file)
        .filter(({ length }) => length > FUNCTION_LINES_MAX)
        .map(({ line, length }) => `${file.path}:${line}: a function of ${length} lines: what are its parts?`),
    example: { path: "contract/src/x.ts", text: `function f() {\n${"  x;\n".repeat(FUNCTION_LINES_MAX)}}\n` },
  },
  {
    name: "files are named in kebab-case, for what is in them",
    applies: (path) => /\.(tsx?|css|sql|lua)$/.test(path),
    find: ({ path }) =>
      /^[a-z0-9]+(-[a-z0-9]+)*(\.test|\.d)?\.(tsx?|css|sql|lua)$/.test(basename(path)) &&
      !/(^|\/)(utils?|helpers?)\b/.test(path)
        ? []
        : [`${path}: name it for its content, in kebab-case`],
    example: { path: "aggregator/src/utils/x.ts", text: "" },
  },
  {
    name: "nothing is left for later",
    applies: (path) => isText(path) && !isSelf(path),
    find: lines((line) => /\b(TODO|FIXME|XXX|HACK)\b/.test(line), "do it now, or say in the text what is missing"),
    example: { path: "contract/src/x.ts", text: "// TODO: think" },
  },
  {
    name: "types are not given up",
    applies: (path) => isTypeScript(path) && !isSelf(path),
    find: lines(
      (line) => /@ts-(ignore|expect-error|nocheck)|\bas any[;,.)\]>]/.test(line),
      "narrow the type, or declare it",
    ),
    example: { path: "contract/src/x.ts", text: "const x = y as any;" },
  },
  {
    name: "every test runs",
    applies: (path) => isTypeScript(path) && !isSelf(path),
    find: lines((line) => /\b(test|it|describe)\.(only|skip|todo)\b/.test(line), "run it, or remove it"),
    example: { path: "contract/src/x.test.ts", text: "test.only('x', () => {});" },
  },
  {
    name: "a test waits for a state, never for a time",
    applies: (path) => path.endsWith(".test.ts") && !isSelf(path),
    find: lines((line) => /\b(Bun\.sleep|setTimeout)\(/.test(line), "wait until what you expect is so, with a bound"),
    example: { path: "contract/src/x.test.ts", text: "await Bun.sleep(100);" },
  },
  {
    name: "programs speak through their logger",
    applies: (path) => isProgram(path) && !isMain(path),
    find: lines((line) => /\bconsole\.\w+\(/.test(line), "use the logger"),
    example: { path: "aggregator/src/x.ts", text: "console.log(x);" },
  },
  {
    name: "only main.ts reads the environment",
    applies: (path) => isProgram(path) && !isMain(path),
    find: lines((line) => /\b(process|Bun)\.env\b/.test(line), "take it as an argument from main.ts"),
    example: { path: "aggregator/src/x.ts", text: "const port = process.env.PORT;" },
  },
  {
    name: "only main.ts ends the process",
    applies: (path) => isProgram(path) && !isMain(path),
    find: lines((line) => /\bprocess\.exit\(/.test(line), "return or throw, and let main.ts choose the exit code"),
    example: { path: "aggregator/src/x.ts", text: "process.exit(1);" },
  },
  {
    name: "only queue/ knows Redis, only store/ knows Postgres",
    applies: (path) => isProgram(path),
    find: importRule(
      (path, from) => (from === "ioredis" && room(path) !== "queue") || (from === "postgres" && room(path) !== "store"),
      "ask the port",
    ),
    example: { path: "aggregator/src/worker/x.ts", text: 'import { Redis } from "ioredis";' },
  },
  {
    name: "routes and loops know ports, not adapters",
    applies: (path) => isProgram(path) && room(path) !== undefined,
    find: importRule((path, _, target) => {
      const from = room(path) ?? "";
      const to = target === undefined ? undefined : room(target);
      if (target === undefined || to === undefined || to === from || to === "ops") return false;
      return LEAF_ROOMS.includes(to) ? reachesDriver(target) : LEAF_ROOMS.includes(from);
    }, "imports point from routes and loops to ports, and from adapters to ports"),
    example: { path: "aggregator/src/worker/x.ts", text: 'import { connect } from "../store/missing.ts";' },
  },
  {
    name: "the client's core runs in browsers",
    applies: (path) => /^client\/src\/(?!(pino|key)\.ts$)/.test(path) && !isTest(path),
    find: importRule((_, from) => /^(node|bun):|^bun$/.test(from), "do without: this runs in browsers too"),
    example: { path: "client/src/x.ts", text: 'import { join } from "node:path";' },
  },
  {
    name: "nothing imports a main.ts",
    applies: isTypeScript,
    find: importRule((_, __, target) => target !== undefined && isMain(target), "move what you need out of it"),
    example: { path: "aggregator/src/x.ts", text: 'import { x } from "./main.ts";' },
  },
  {
    name: "the contract imports nothing of ours, and programs share nothing else",
    applies: (path) => isTypeScript(path) && !isSelf(path),
    find: importRule((path, from, target) => {
      const home = path.split("/")[0] ?? "";
      if (target !== undefined) return !target.startsWith(`${home}/`) && !isSharedWithK6(path, target);
      if (!from.startsWith("@sekali/")) return false;
      if (home === "contract") return true;
      // Load and faults bring stacks of their own: these programs are tests that are run by hand.
      const mayStartServers = isTest(path) || home === "loadtest" || home === "chaos";
      // Whoever publishes or follows is built on the client; the client's tests need a service.
      const isClient = /^@sekali\/client(\/|$)/.test(from);
      if (isClient && (home === "publisher" || home === "aggregator")) return !isTest(path) && isTestOnly(from);
      if (home === "client" && isTest(path) && isTestOnly(from)) return false;
      // The fault harness breaks aggregators with the tools of the aggregator's own tests.
      if (home === "chaos" && isTestOnly(from)) return false;
      return !/^@sekali\/contract(\/|$)/.test(from) && !(from === "@sekali/native" && mayStartServers);
    }, "share it through the contract"),
    example: { path: "contract/src/x.ts", text: 'import { x } from "@sekali/aggregator";' },
  },
];

/**
 * Functions with a body of their own lines. The formatter makes this easy: a body ends with the first line that has the
 * indentation of the function's first line and holds a closing brace alone.
 */
function functionsOf(file: SourceFile): { line: number; length: number }[] {
  const opens =
    /^\s*(export |default |async |static |private |get |set |const \S+ = )*(function\b|[\w#]+\(|\(.*=> \{$|.*=> \{$)/;
  const controls = /^\s*(if|for|while|switch|return|await|test|describe|it|\} else)\b/;
  return file.lines.flatMap((line, index) => {
    if (!opens.test(line) || controls.test(line) || /;$/.test(line)) return [];
    const indent = /^\s*/.exec(line)?.[0] ?? "";
    const end = file.lines.findIndex((each, at) => at > index && new RegExp(`^${indent}\\}[;,)]*$`).test(each));
    const next = file.lines.findIndex((each, at) => at > index && each.length > 0 && !each.startsWith(`${indent} `));
    // Between the two lines everything is indented further, but for the end of a parameter list.
    const isBody = end !== -1 && (end === next || /^\s*[)}].*\{$/.test(file.lines[next] ?? ""));
    return isBody ? [{ line: index + 1, length: end - index + 1 }] : [];
  });
}

function read(path: string): SourceFile {
  return fileOf(path, readFileSync(path, "utf8"));
}

function fileOf(path: string, text: string): SourceFile {
  return { path, lines: text.replace(/\n$/, "").split("\n") };
}

/** What git knows or would take in: neither dependencies nor what is built. */
function listFiles(): string[] {
  const listed = Bun.spawnSync(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]);
  return listed.stdout
    .toString()
    .split("\0")
    .filter((path) => path !== "" && existsSync(path));
}

const files = listFiles()
  .filter((path) => isText(path) && !path.startsWith("patches/") && !path.includes("/generated/"))
  .map(read);

describe("style", () => {
  for (const rule of rules) {
    test(rule.name, () => {
      expect(rule.find(fileOf(rule.example.path, rule.example.text))).not.toEqual([]);
      expect(rule.applies(rule.example.path)).toBe(true);
      expect(files.filter((file) => rule.applies(file.path)).flatMap((file) => rule.find(file))).toEqual([]);
    });
  }

  test("every source file is used by a program or by a test", () => {
    expect(deadFiles(files)).toEqual([]);
    const orphan = fileOf("contract/src/orphan.ts", "export const x = 1;");
    expect(deadFiles([...files, orphan])).toEqual(["contract/src/orphan.ts"]);
  });
});

/** Files that nothing imports (TypeScript), or whose name nothing mentions (SQL, Lua). */
function deadFiles(all: readonly SourceFile[]): string[] {
  const sources = all.filter(({ path }) => isTypeScript(path));
  const imported = new Set(sources.flatMap((file) => importsOf(file).map(({ from }) => resolveImport(file, from))));
  const text = sources.map((file) => file.lines.join("\n")).join("\n");
  return all
    .map(({ path }) => path)
    .filter((path) => {
      // A test may run a file as a process of its own.
      if (/\.(css|sql|lua)$/.test(path) || isTest(path)) return !isRoot(path) && !text.includes(basename(path));
      return isTypeScript(path) && !isRoot(path) && !imported.has(path);
    });
}

/** Where a program, a package, a test run or k6 begins. */
function isRoot(path: string): boolean {
  return (
    isMain(path) ||
    path.endsWith(".test.ts") ||
    path.endsWith(".d.ts") ||
    /\/src\/index\.ts$|^client\/src\/(wire|key|pino)\.ts$|^loadtest\/k6\//.test(path)
  );
}
