/**
 * Small libraries that are compiled here and preloaded into a server, to change what it sees of the operating system:
 * `shifted-clock` gives it another clock, `remembered-sync` remembers what it has made durable. They need Linux and a C
 * compiler; where either is missing there is no library, and whoever asked says so.
 */
import { chmodSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

export type Preload = "shifted-clock" | "remembered-sync";

const built = new Map<Preload, string>();
let folder: string | undefined;

/** Why no library can be had here; undefined where it can. */
export function preloadUnavailable(): string | undefined {
  if (process.platform !== "linux") return "preloading a library needs Linux";
  return compiler() === null ? "no C compiler is here" : undefined;
}

/** The path of the compiled library. */
export function buildPreload(name: Preload): string {
  const known = built.get(name);
  if (known !== undefined) return known;
  const output = join(home(), `${name}.so`);
  const source = join(import.meta.dir, `${name}.c`);
  const command = [compiler() ?? "cc", "-shared", "-fPIC", "-O1", "-o", output, source];
  const { exitCode, stderr } = Bun.spawnSync(command);
  if (exitCode !== 0) throw new Error(`${command.join(" ")} failed:\n${stderr.toString()}`);
  built.set(name, output);
  return output;
}

function compiler(): string | null {
  return Bun.which("cc") ?? Bun.which("gcc") ?? Bun.which("clang");
}

/** Every account may pass: Postgres runs under another one where the tests run as root. */
function home(): string {
  if (folder !== undefined) return folder;
  const made = mkdtempSync(join(tmpdir(), "sekali-preload-"));
  chmodSync(made, 0o755);
  process.on("exit", () => rmSync(made, { recursive: true, force: true }));
  folder = made;
  return made;
}
