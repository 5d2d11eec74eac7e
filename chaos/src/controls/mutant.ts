/** A copy of the aggregator with a mutation, compiled; it ends with its folder. */
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { applyEdit, type Edit } from "./mutation.ts";

const TOP = join(import.meta.dir, "..", "..", "..");
/** What the aggregator is compiled and tested with, and what no mutation touches. */
const SHARED = ["node_modules", "contract", "native"];
const COPIED = ["aggregator", "package.json", "tsconfig.json", "bunfig.toml"];

export class Mutant {
  readonly folder: string;

  constructor(edits: readonly Edit[]) {
    this.folder = mkdtempSync(join(tmpdir(), "sekali-mutant-"));
    for (const name of COPIED) cpSync(join(TOP, name), join(this.folder, name), { recursive: true });
    for (const name of SHARED) symlinkSync(join(TOP, name), join(this.folder, name));
    mkdirSync(join(this.folder, "dist"));
    for (const edit of edits) {
      const path = join(this.folder, edit.path);
      writeFileSync(path, applyEdit(readFileSync(path, "utf8"), edit));
    }
  }

  get binary(): string {
    return join(this.folder, "dist", "aggregator");
  }

  /** @throws with the compiler's words where the mutated text is no program. */
  async compile(): Promise<void> {
    const main = join("aggregator", "src", "main.ts");
    const { code, output } = await this.bun(["build", "--compile", "--minify", main, "--outfile", this.binary]);
    if (code !== 0) throw new Error(`a mutant does not compile:\n${output}`);
  }

  /** Bun in the mutant's folder, with the mutant as the binary under test. */
  async bun(command: readonly string[]): Promise<{ readonly code: number; readonly output: string }> {
    const { PATH = "", HOME = "", TMPDIR = "/tmp" } = process.env;
    const child = Bun.spawn([process.execPath, ...command], {
      cwd: this.folder,
      env: { PATH, HOME, TMPDIR, SEKALI_BINARY: this.binary },
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    const [stdout, stderr, code] = await Promise.all([
      new Response(child.stdout).text(),
      new Response(child.stderr).text(),
      child.exited,
    ]);
    return { code, output: `${stdout}\n${stderr}` };
  }

  [Symbol.dispose](): void {
    rmSync(this.folder, { recursive: true, force: true });
  }
}
