import { afterAll, expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { startPeer } from "@sekali/client/test/peer";
import { logLines, runPublisher } from "./publisher.ts";

const folder = await mkdtemp(join(tmpdir(), "sekali-binary-"));
afterAll(async () => await rm(folder, { recursive: true }));

test("the compiled binary runs with no other file beside it", async () => {
  const binary = join(folder, "publisher");
  const main = new URL("../src/main.ts", import.meta.url).pathname;
  const build = Bun.spawnSync([process.execPath, "build", "--compile", main, "--outfile", binary], { cwd: folder });
  expect(build.exitCode).toBe(0);
  const peer = await startPeer();
  try {
    const command = [binary];
    expect(await runPublisher(["--version"], { command })).toMatchObject({ code: 0 });
    const simulated = await runPublisher(["--count", "20", "--tick-interval-ms", "1", "--target", peer.url], {
      command,
    });
    expect(simulated.code).toBe(0);
    expect(logLines(simulated.stdout).at(-1)).toMatchObject({ msg: "SUMMARY", acknowledged: 20 });
    const args = ["ship", "--topic", "a.b", "--source", "s", "--target", peer.url];
    const shipped = await runPublisher(args, { command, stdin: "one\ntwo\n" });
    expect(shipped.stdout).toContain(
      "stdin: 2 lines sent, 2 acknowledged (2 stored, 0 duplicates), 0 refused, 0 given up",
    );
  } finally {
    await peer.stop();
  }
});
