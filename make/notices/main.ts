/** Writes the notices of what is bundled: `make/bun make/notices/main.ts FILE PROGRAM…`. */
import { bundledBy, PROGRAMS, type Program } from "./bundled.ts";
import { noticesOf, render } from "./notices.ts";

const [file, ...names] = process.argv.slice(2);
const programs = names.filter((name): name is Program => name in PROGRAMS);
if (file === undefined || programs.length === 0 || programs.length < names.length) {
  throw new Error(`usage: main.ts FILE PROGRAM…, of ${Object.keys(PROGRAMS).join(", ")}`);
}
await Bun.write(file, render(noticesOf(await bundledBy(programs)), programs));
