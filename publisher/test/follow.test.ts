import { afterAll, describe, expect, test } from "bun:test";
import { appendFile, copyFile, mkdtemp, rename, rm, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Peer, startPeer, until } from "@sekali/client/test/peer";
import { type Ended, startPublisher } from "./publisher.ts";

const folder = await mkdtemp(join(tmpdir(), "sekali-follow-"));
afterAll(async () => await rm(folder, { recursive: true }));

type Following = { peer: Peer; file: string; end(): Promise<Ended & { summary: Record<string, unknown> }> };

let files = 0;

/** Follows a new file with some content while `body` runs, and ends all of it whatever happens. */
async function following(content: string, body: (f: Following) => Promise<void>, ...more: string[]): Promise<void> {
  files += 1;
  const file = join(folder, `${files}.log`);
  await writeFile(file, content);
  const peer = await startPeer();
  const args = ["ship", file, "--follow", "--topic", "a.b", "--source", "s", "--target", peer.url, "--json"];
  const quick = ["--poll-interval-ms", "20", "--flush-interval-ms", "20", "--retry-delay-ms-max", "50"];
  const running = startPublisher([...args, ...quick, ...more]);
  const end = async () => {
    running.process.kill("SIGINT");
    const ended = await running.ended;
    return { ...ended, summary: JSON.parse(ended.stdout) as Record<string, unknown> };
  };
  try {
    await body({ peer, file, end });
  } finally {
    running.process.kill("SIGKILL");
    await running.ended;
    await peer.stop();
  }
}

function has(peer: Peer, ...expected: string[]): () => boolean {
  return () => {
    const lines = [...peer.events.values()].map(({ payload }) => String(payload["line"])).sort();
    return lines.join() === expected.toSorted().join();
  };
}

describe("publisher ship --follow", () => {
  test("ships what is there and what is added, and waits for a line's end", async () => {
    await following("one\n", async ({ peer, file, end }) => {
      await until("the first line", has(peer, "one"));
      await appendFile(file, "two\nthr");
      await until("the second line", has(peer, "one", "two"));
      await appendFile(file, "ee\n");
      await until("the third line, whole", has(peer, "one", "two", "three"));
      await appendFile(file, "unfinished");
      const { code, summary } = await end();
      expect(code).toBe(0);
      expect(summary).toMatchObject({ sent: 3, acknowledged: 3, stored: 3, duplicates: 0, given_up: 0 });
      expect(has(peer, "one", "two", "three")()).toBe(true);
    });
  });

  test("goes on after a rotation, with the old file too", async () => {
    await following("# header\none\n", async ({ peer, file, end }) => {
      await until("the first file", has(peer, "# header", "one"));
      await rename(file, `${file}.1`);
      await appendFile(`${file}.1`, "late\n");
      await writeFile(file, "two\nthree\n");
      await appendFile(`${file}.1`, "later\n");
      await until("both files", has(peer, "# header", "one", "late", "later", "two", "three"));
      expect((await end()).summary).toMatchObject({ stored: 6, duplicates: 0 });
    });
  });

  test("a new file that begins like the old one shares only the beginning, and this is said", async () => {
    await following("# header\none\n# header\n", async ({ peer, file, end }) => {
      await until("the first file", has(peer, "# header", "one", "# header"));
      await rename(file, `${file}.1`);
      await writeFile(file, "# header\ntwo\n# header\none\n");
      await until("the new file", has(peer, "# header", "one", "# header", "two", "# header", "one"));
      const { summary, stderr } = await end();
      expect(summary).toMatchObject({ read: 7, stored: 6, duplicates: 1 });
      expect(stderr).toContain("begins like one before it");
    });
  });

  test("an old file's last line counts as complete when the file has been quiet", async () => {
    const body = async ({ peer, file }: Following) => {
      await until("the first line", has(peer, "one"));
      await rename(file, `${file}.1`);
      await writeFile(file, "two\n");
      await until("the last line of the old file", has(peer, "one", "unended", "two"));
    };
    await following("one\nunended", body, "--rotated-idle-s", "0");
  });

  test("files that are rotated away twice while the aggregator is away are all read", async () => {
    await following("one\n", async ({ peer, file, end }) => {
      await until("the first line", has(peer, "one"));
      peer.lasting = { kind: "status", status: 503 };
      for (const [n, line] of [
        [2, "two"],
        [3, "three"],
      ] as const) {
        await appendFile(file, `last of ${n - 1}\n`);
        const requests = peer.counts.requests;
        await until("the aggregator to be asked again", () => peer.counts.requests > requests + 2);
        await rename(file, `${file}.${n}`);
        await writeFile(file, `${line}\n`);
        // The watcher has seen it when it is the file that is open; a few of its rounds are enough.
        const seen = peer.counts.requests;
        await until("more tries", () => peer.counts.requests > seen + 20);
      }
      peer.lasting = undefined;
      await until("all three files", has(peer, "one", "last of 1", "two", "last of 2", "three"));
      expect((await end()).summary).toMatchObject({ stored: 5, duplicates: 0, given_up: 0 });
    });
  });

  test("starts over after a truncation, and says so", async () => {
    await following("one\ntwo\npartial", async ({ peer, file, end }) => {
      await until("two lines", has(peer, "one", "two"));
      await truncate(file, 0);
      await until("the partial line, which will never be longer", has(peer, "one", "two", "partial"));
      await appendFile(file, "three\n");
      await until("the new line", has(peer, "one", "two", "partial", "three"));
      expect((await end()).stderr).toContain("truncated");
    });
  });

  test("copytruncate: the copy is the old file, the rest is new", async () => {
    await following("one\ntwo\n", async ({ peer, file }) => {
      await until("two lines", has(peer, "one", "two"));
      await copyFile(file, `${file}.1`);
      await truncate(file, 0);
      await appendFile(file, "three\n");
      await until("the new line", has(peer, "one", "two", "three"));
    });
  });

  test("a file that was cut and has grown past the old end is noticed by its content", async () => {
    await following("one\n", async ({ peer, file, end }) => {
      await until("the first line", has(peer, "one"));
      // One write, so there is no moment at which the file is shorter than what was read.
      const script = `const fs = require("node:fs"); const fd = fs.openSync(${JSON.stringify(file)}, "r+");
        fs.writeSync(fd, "another beginning\\nand more\\n"); fs.closeSync(fd);`;
      Bun.spawnSync([process.execPath, "-e", script]);
      await until("the new content", has(peer, "one", "another beginning", "and more"));
      expect((await end()).stderr).toContain("truncated");
    });
  });

  test("SIGTERM sends what has gathered before it ends", async () => {
    const body = async ({ peer, file, end }: Following) => {
      await until("a full batch", has(peer, "one", "two"));
      // Read in one go: when the second batch has arrived the last line has been read too, and waits for a full batch.
      await appendFile(file, "three\nfour\nfive\n");
      await until("the second batch", has(peer, "one", "two", "three", "four"));
      const { summary } = await end();
      expect(summary).toMatchObject({ read: 5, acknowledged: 5, unsent: 0 });
      expect(has(peer, "one", "two", "three", "four", "five")()).toBe(true);
    };
    await following("one\ntwo\n", body, "--flush-interval-ms", "3600000", "--batch-lines-max", "2");
  });

  test("run again after a kill, what was followed is all duplicates", async () => {
    await following("one\ntwo\n", async ({ peer, file, end }) => {
      await until("two lines", has(peer, "one", "two"));
      const args = ["ship", file, "--topic", "a.b", "--source", "s", "--target", peer.url, "--json"];
      const again = await startPublisher(args).ended;
      expect(JSON.parse(again.stdout)).toMatchObject({ stored: 0, duplicates: 2 });
      await end();
    });
  });
});
