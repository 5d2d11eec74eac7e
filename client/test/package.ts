/** The package as others get it: built, packed, and unpacked into the node_modules of a folder of its own. */
import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { $ } from "bun";

const HOME = join(import.meta.dir, "..");
const BUN = process.execPath;

export interface Installed extends AsyncDisposable {
  readonly folder: string;
  /** The bundle's text. */
  readonly script: string;
  /** Runs a module of that folder to its end and gives what it says. @throws where it ends with an error */
  run(program: readonly string[], name: string, source: string, ...rest: string[]): Promise<string>;
}

export async function installPackage(): Promise<Installed> {
  const folder = await mkdtemp(join(tmpdir(), "sekali-package-"));
  const built = join(folder, "built");
  await $`${BUN} build/main.ts ${built}`.cwd(HOME).quiet();
  await $`${BUN} pm pack --quiet --destination ${folder}`.cwd(built).quiet();
  const home = join(folder, "node_modules", "@sekali", "client");
  await mkdir(home, { recursive: true });
  await $`tar -xzf ${folder}/*.tgz --strip-components 1 -C ${home}`.quiet();
  return {
    folder,
    script: await Bun.file(join(home, "index.js")).text(),
    run: async (program, name, source, ...rest) => {
      await writeFile(join(folder, name), source);
      return await $`${[...program, name, ...rest]}`.cwd(folder).text();
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true }),
  };
}

/** Node 20 or later: the one on the path, or one that is installed for the tests. */
export const NODE = join(HOME, "..", "make", "node");
