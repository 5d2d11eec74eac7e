/**
 * A Bun macro: it runs while the program is bundled (or, when the program runs from source, while `assets.ts` is
 * loaded), and what it returns is inlined there. So the binary carries the page as text, nothing that was
 * generated lies about, and the page is the same either way.
 *
 * `Bun.build` can't run inside of a macro (the bundler would wait for itself), so the command line does it.
 */
import { createHash } from "node:crypto";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";

export interface Asset {
  /** With a hash of the content, so that it can be kept for ever. */
  readonly name: string;
  readonly type: string;
  readonly text: string;
}

export interface Site {
  readonly page: string;
  readonly assets: readonly Asset[];
}

const SOURCES = join(import.meta.dir, "..", "..");
const TYPES: Readonly<Record<string, string>> = {
  ".js": "text/javascript; charset=utf-8",
  ".css": "text/css; charset=utf-8",
};

/**
 * @param folder of the source, beside `src`, and of the assets' paths.
 * @param entry the script in it that is bundled with what it imports.
 * @throws Error with the bundler's own words.
 */
export function bundleSite(folder: string, entry: string): Site {
  const source = join(SOURCES, folder);
  const made = mkdtempSync(join(tmpdir(), `sekali-${folder}-`));
  try {
    const command = [process.execPath, "build", "--production", "--target=browser", `--outdir=${made}`];
    const built = Bun.spawnSync([...command, join(source, entry)], { cwd: source, env: { NODE_ENV: "production" } });
    if (!built.success) throw new Error(`the ${folder} can't be bundled: ${built.stderr.toString()}`);
    return siteOf(folder, readFileSync(join(source, "index.html"), "utf8"), made);
  } finally {
    rmSync(made, { recursive: true, force: true });
  }
}

function siteOf(folder: string, template: string, made: string): Site {
  let page = template;
  const assets = readdirSync(made).map((file) => {
    const extension = extname(file);
    const text = readFileSync(join(made, file), "utf8");
    const hash = createHash("sha256").update(text).digest("hex").slice(0, 16);
    const name = `${file.slice(0, -extension.length)}-${hash}${extension}`;
    page = page.replaceAll(`{{${file}}}`, `/${folder}/${name}`);
    return { name, type: TYPES[extension] ?? "application/octet-stream", text };
  });
  if (page.includes("{{")) throw new Error(`the ${folder}'s page names a file that the bundler has not made`);
  return { page, assets };
}
