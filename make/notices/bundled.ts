/**
 * What of others ends up in what we give away: the packages whose files the bundler takes in, by its own account.
 *
 * Lists of dependencies say something else: of what a package may need much is never bundled, and peers of
 * dependencies, which no package.json of ours names, are. So each program is bundled once more, in memory.
 */
import { join, resolve } from "node:path";
import type { BuildConfig } from "bun";

export const ROOT = resolve(import.meta.dir, "../..");

interface Bundle {
  readonly entry: string;
  readonly target: NonNullable<BuildConfig["target"]>;
}

/** A macro bundles the pages, so they are no part of what the bundler tells of the binary. */
export const PROGRAMS = {
  aggregator: [
    { entry: "aggregator/src/main.ts", target: "bun" },
    { entry: "aggregator/dashboard/main.tsx", target: "browser" },
    { entry: "aggregator/reference/main.ts", target: "browser" },
  ],
  publisher: [{ entry: "publisher/src/main.ts", target: "bun" }],
  client: [
    { entry: "client/src/index.ts", target: "browser" },
    { entry: "client/src/pino.ts", target: "node" },
  ],
} as const satisfies Readonly<Record<string, readonly Bundle[]>>;

export type Program = keyof typeof PROGRAMS;

/** The files of others, by the folder of their package; both below the repository's root. */
export type Bundled = ReadonlyMap<string, readonly string[]>;

/** @throws where something can't be bundled. */
export async function bundledBy(programs: readonly Program[]): Promise<Bundled> {
  const byFolder = new Map<string, string[]>();
  for (const { entry, target } of programs.flatMap((program): readonly Bundle[] => PROGRAMS[program])) {
    const { metafile } = await Bun.build({ entrypoints: [join(ROOT, entry)], target, metafile: true, root: ROOT });
    for (const file of Object.keys(metafile?.inputs ?? {})) {
      const folder = packageFolderOf(file);
      if (folder !== undefined) byFolder.set(folder, [...(byFolder.get(folder) ?? []), file]);
    }
  }
  return byFolder;
}

/** Of a package inside of a package it is the inner one. */
export function packageFolderOf(file: string): string | undefined {
  return /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+(?=\/)/.exec(file)?.[0];
}
