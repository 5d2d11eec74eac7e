/**
 * The notices that licences ask to be carried along: of each package that is bundled, the files in which it says so.
 *
 * *Instead of* a tool from the registry: those that were tried (license-checker-rseidelsohn 5.0, generate-license-file
 * 4.2) follow dependencies, not bundles. The one finds nothing in Bun's workspaces, the other leaves out what comes as
 * a peer (all of file-type) and names 50 packages that are not there.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type Bundled, type Program, ROOT } from "./bundled.ts";

export interface Notice {
  /** `name@version`. */
  readonly id: string;
  /** As its package.json says: SPDX. */
  readonly licence: string;
  readonly texts: readonly string[];
}

/** What a package calls such files, those of what it has bundled itself included. */
const NOTICE_FILE = /^(un)?licen[cs]e|^copying|^notice|^copyright|\.licen[cs]e\.txt$/i;
/** The comment at the head of a source file. */
const HEAD_COMMENT = /^(?:#!.*\n)?\s*((?:\/\/.*\n)+|\/\*[\s\S]*?\*\/)/;
/** Given to the public: nothing has to be carried along. */
const ASKS_NOTHING = ["Unlicense", "0BSD", "CC0-1.0"];

/** By id. @throws Error naming a package without any text, whose licence asks for one. */
export function noticesOf(bundled: Bundled): readonly Notice[] {
  const notices = new Map<string, Notice>();
  for (const [folder, files] of bundled) {
    const { name, version, license } = readPackage(folder);
    const id = `${name}@${version}`;
    const licence = typeof license === "string" ? license : "not stated";
    const texts = textsOf(folder, files);
    if (texts.length === 0 && !ASKS_NOTHING.includes(licence)) {
      throw new Error(`${id} (${licence}) is bundled, and neither a file of it nor a comment holds its notice`);
    }
    notices.set(id, { id, licence, texts });
  }
  return [...notices.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1));
}

/** Files named for it; where there are none, what stands at the head of the sources that are bundled. */
function textsOf(folder: string, files: readonly string[]): readonly string[] {
  const named = readdirSync(join(ROOT, folder), { withFileTypes: true }).filter(
    (entry) => entry.isFile() && NOTICE_FILE.test(entry.name) && belongs(entry.name, files),
  );
  const texts = named.map(({ name }) => readFileSync(join(ROOT, folder, name), "utf8").trim());
  return [...new Set(texts.length > 0 ? texts : files.flatMap(headCommentOf))];
}

/** `x.js.LICENSE.txt` is about `x.js` alone, and of some bundles of a package we take only one. */
function belongs(name: string, files: readonly string[]): boolean {
  const subject = /^(.+\.js)\.licen[cs]e\.txt$/i.exec(name)?.[1];
  return subject === undefined || files.some((file) => file.endsWith(`/${subject}`));
}

function headCommentOf(file: string): readonly string[] {
  const comment = HEAD_COMMENT.exec(readFileSync(join(ROOT, file), "utf8"))?.[1]?.trim();
  return comment !== undefined && /copyright|licen[cs]e/i.test(comment) ? [comment] : [];
}

function readPackage(folder: string): { name: string; version: string; license?: unknown } {
  return JSON.parse(readFileSync(join(ROOT, folder, "package.json"), "utf8"));
}

const RUNTIME = `The binaries hold Bun's runtime, which is under the MIT licence and has libraries of
others linked in statically, among them JavaScriptCore and WebKit (LGPL 2). Which these
are, under which licences, where their sources are and how to link Bun again with changes
to them: https://bun.com/docs/project/license
`;

const GENERATED = `The aggregator holds code that is generated from opentelemetry-proto and from googleapis'
google/rpc/status.proto, both under the Apache License 2.0, whose text stands below.
`;

/** @param programs whose notices these are. */
export function render(notices: readonly Notice[], programs: readonly Program[]): string {
  const rule = "=".repeat(80);
  const head = "Sekali holds work of others, each under a licence of its own, which follow with their notices.\n";
  const preface = [head];
  if (programs.some((program) => program !== "client")) preface.push(RUNTIME);
  if (programs.includes("aggregator")) preface.push(GENERATED);
  const entries = notices.map(({ id, licence, texts }) => [rule, `${id}: ${licence}`, ...texts].join("\n\n"));
  return `${preface.join("\n")}\n${entries.join("\n\n")}\n`;
}
