/** What the images carry along beside the programs. */
import { beforeAll, expect, test } from "bun:test";
import { compose, composeUrl, docker } from "./compose.ts";

beforeAll(() => {
  composeUrl();
});

test.each([
  ["aggregator", "elysia@"],
  ["publisher", "pure-rand@"],
] as const)("the notices of what is bundled, and our licence, are in the image of the %s", async (service, id) => {
  const container = (await compose("ps", "--quiet", service)).trim();
  // There is no shell in it to ask: the engine gives the folder as an archive.
  const archive = await docker("cp", `${container}:/usr/share/doc/sekali`, "-");
  for (const text of ["sekali/LICENSE", "MIT License", "sekali/THIRD_PARTY_NOTICES", `\n${id}`]) {
    expect(archive).toContain(text);
  }
});
