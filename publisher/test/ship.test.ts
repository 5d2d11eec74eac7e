import { afterAll, afterEach, describe, expect, test } from "bun:test";
import { appendFile, copyFile, mkdtemp, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Peer, type PeerOptions, startPeer, until } from "@sekali/client/test/peer";
import { runPublisher, startPublisher } from "./publisher.ts";

const folder = await mkdtemp(join(tmpdir(), "sekali-ship-"));
afterAll(async () => await rm(folder, { recursive: true }));

const peers: Peer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.stop();
});

async function start(options: PeerOptions = {}): Promise<Peer> {
  const peer = await startPeer(options);
  peers.push(peer);
  return peer;
}

const lines = (from: number, to: number): string =>
  Array.from({ length: to - from }, (_, n) => `2026-11-23T15:55:50Z line ${from + n}\n`).join("");

function shipArgs(peer: Peer, file: string, ...more: string[]): string[] {
  return ["ship", file, "--topic", "web.access", "--source", "nginx", "--target", peer.url, "--json", ...more];
}

async function ship(peer: Peer, file: string, ...more: string[]): Promise<Record<string, unknown> & { code: number }> {
  const { code, stdout } = await runPublisher(shipArgs(peer, file, ...more));
  return { code, ...(JSON.parse(stdout) as Record<string, unknown>) };
}

function texts(peer: Peer): string[] {
  return [...peer.events.values()].map(({ payload }) => String(payload["line"])).sort();
}

describe("publisher ship", () => {
  test("stores each line once, and finds only duplicates the second time", async () => {
    const peer = await start();
    const file = join(folder, "twice.log");
    await writeFile(file, lines(0, 1234));
    const first = await ship(peer, file);
    expect(first).toMatchObject({ code: 0, read: 1234, sent: 1234, acknowledged: 1234, stored: 1234, complete: true });
    const before = peer.bodies.splice(0);
    const second = await ship(peer, file);
    expect(second).toMatchObject({ code: 0, acknowledged: 1234, stored: 0, duplicates: 1234 });
    expect(peer.events.size).toBe(1234);
    // Not only the ids: lines that tell their own time are the same to the byte.
    expect(peer.bodies.toSorted()).toEqual(before.toSorted());
  });

  test("a file that was renamed, copied, has grown, or comes through stdin is still the same file", async () => {
    const peer = await start();
    const file = join(folder, "moves.log");
    await writeFile(file, lines(0, 100));
    await ship(peer, file);
    await rename(file, `${file}.1`);
    await copyFile(`${file}.1`, `${file}.copy`);
    expect(await ship(peer, `${file}.1`)).toMatchObject({ stored: 0, duplicates: 100 });
    expect(await ship(peer, `${file}.copy`)).toMatchObject({ stored: 0, duplicates: 100 });
    await appendFile(`${file}.1`, lines(100, 120));
    expect(await ship(peer, `${file}.1`)).toMatchObject({ stored: 20, duplicates: 100 });
    const piped = await runPublisher(shipArgs(peer, "-"), { stdin: lines(0, 130) });
    expect(JSON.parse(piped.stdout)).toMatchObject({ stored: 10, duplicates: 120 });
  });

  test("another source and another identity make other events", async () => {
    const peer = await start();
    const file = join(folder, "other.log");
    await writeFile(file, lines(0, 10));
    await ship(peer, file);
    expect(await ship(peer, file, "--identity", "monday")).toMatchObject({ stored: 10 });
    expect(await ship(peer, file, "--source", "apache")).toMatchObject({ stored: 10 });
    expect(peer.events.size).toBe(30);
  });

  test("a last line without its end is shipped, and is the same when the end was written", async () => {
    const peer = await start();
    const file = join(folder, "unended.log");
    await writeFile(file, "one\ntwo");
    expect(await ship(peer, file)).toMatchObject({ stored: 2 });
    await appendFile(file, "\nthree\n");
    expect(await ship(peer, file)).toMatchObject({ stored: 1, duplicates: 2 });
    expect(texts(peer)).toEqual(["one", "three", "two"]);
  });

  test("killed at any moment and started again, it has stored exactly the file", async () => {
    const peer = await start({ delayMs: 5 });
    const file = join(folder, "killed.log");
    await writeFile(file, lines(0, 5000));
    for (const after of [1, 20, 35]) {
      const running = startPublisher(shipArgs(peer, file, "--batch-lines-max", "50"));
      const enough = peer.counts.requests + after;
      await until("some requests", () => peer.counts.requests >= enough);
      running.process.kill("SIGKILL");
      await running.ended;
    }
    const killed = peer.events.size;
    expect(killed).toBeLessThan(5000);
    expect(await ship(peer, file)).toMatchObject({ stored: 5000 - killed, duplicates: killed });
    expect(peer.events.size).toBe(5000);
  });

  test("errors of the aggregator cost time, no lines", async () => {
    const peer = await start();
    const file = join(folder, "errors.log");
    await writeFile(file, lines(0, 1000));
    peer.faults.push({ kind: "status", status: 503, headers: { "retry-after": "1" } }, { kind: "cut_reply" });
    peer.faults.push({ kind: "status", status: 429 }, { kind: "status", status: 500 }, { kind: "cut_reply" });
    const summary = await ship(peer, file, "--batch-lines-max", "100", "--retry-delay-ms-max", "20");
    expect(summary).toMatchObject({ code: 0, acknowledged: 1000, given_up: 0, requests_retried: 5 });
    expect(peer.events.size).toBe(1000);
  });

  test("an empty file is shipped with nothing sent", async () => {
    const peer = await start();
    const file = join(folder, "empty.log");
    await writeFile(file, "");
    expect(await ship(peer, file)).toMatchObject({ code: 0, sent: 0, complete: true });
    expect(peer.counts.requests).toBe(0);
  });

  test("bytes of every kind arrive, and what was changed is said", async () => {
    const peer = await start();
    const file = join(folder, "bytes.log");
    const parts = [
      Buffer.from([0xff, 0xfe, 0x0a]),
      Buffer.from("nul\0\n"),
      Buffer.alloc(300_000, "x"),
      Buffer.from("\n"),
    ];
    await writeFile(file, Buffer.concat(parts));
    expect(await ship(peer, file)).toMatchObject({ code: 0, stored: 3, refused: 0 });
    const payloads = [...peer.events.values()].map(({ payload }) => payload);
    expect(payloads.find((payload) => payload["encoding"] === "lossy")?.["line"]).toBe("\uFFFD\uFFFD");
    expect(payloads.find((payload) => payload["nul_replaced"] === 1)?.["line"]).toBe("nul\uFFFD");
    const cut = payloads.find((payload) => payload["truncated_from"] === 300_000);
    expect(String(cut?.["line"]).length).toBe(65_536);
  });
});

describe("the end of a run", () => {
  test("a target that is not there ends with 3, and says that running it again is safe", async () => {
    const peer = await start();
    await peer.stop();
    const file = join(folder, "nobody.log");
    await writeFile(file, lines(0, 3000));
    const args = ["ship", file, "-t", "a", "-s", "b", "--target", peer.url, "--retry-attempts-max", "2"];
    const { code, stdout } = await runPublisher(args);
    expect(code).toBe(3);
    expect(stdout).toContain("nothing is stored twice");
  });

  test("a wrong address stops it at the first batch, with 1", async () => {
    const peer = await start();
    peer.lasting = { kind: "status", status: 404 };
    const file = join(folder, "wrong.log");
    await writeFile(file, lines(0, 100_000));
    const summary = await ship(peer, file);
    expect(summary).toMatchObject({ code: 1, acknowledged: 0, complete: false, halted: "404: as told" });
    expect(Number(summary["read"])).toBeLessThan(5000);
  });

  test("a file that is not there, a folder and a compressed file end with 4", async () => {
    const peer = await start();
    const zipped = join(folder, "old.log.gz");
    await writeFile(zipped, Bun.gzipSync(Buffer.from(lines(0, 10))));
    for (const [file, words] of [
      [join(folder, "none.log"), "ENOENT"],
      [folder, "directory"],
      [zipped, "zcat"],
    ] as const) {
      const { code, stderr } = await runPublisher(shipArgs(peer, file));
      expect(code).toBe(4);
      expect(stderr).toContain(words);
    }
    expect(peer.counts.requests).toBe(0);
  });

  test.each([
    ["gzip", Bun.gzipSync(Buffer.from("a\n")), "zcat"],
    ["bzip2", Buffer.from("425a6839314159265359aabb", "hex"), "bzcat"],
    ["UTF-16", Buffer.from("\uFEFFone\ntwo\n", "utf16le"), "iconv -f UTF-16"],
  ])("%s is told as such, in a file and through stdin", async (name, bytes, remedy) => {
    const peer = await start();
    const file = join(folder, `foreign.${name}`);
    await writeFile(file, bytes);
    const inputs = [
      await runPublisher(shipArgs(peer, file)),
      await runPublisher(shipArgs(peer, "-"), { stdin: bytes }),
    ];
    for (const { code, stderr } of inputs) expect([code, stderr]).toEqual([4, expect.stringContaining(remedy)]);
    expect(peer.counts.requests).toBe(0);
  });

  // Linux has a file whose first byte can't be read.
  test.skipIf(process.platform !== "linux")("a disk that fails ends it with 4, and with a summary", async () => {
    const peer = await start();
    const { code, stdout, stderr } = await runPublisher(shipArgs(peer, "/proc/self/mem"));
    expect([code, stderr]).toEqual([4, expect.stringContaining("cannot read on from byte 0: EIO")]);
    expect(JSON.parse(stdout)).toMatchObject({ read: 0, complete: false });
  });

  test("SIGINT midway ends with 130 and a summary that leaves nothing out", async () => {
    const peer = await start({ delayMs: 20 });
    const file = join(folder, "interrupted.log");
    await writeFile(file, lines(0, 50_000));
    const running = startPublisher(shipArgs(peer, file, "--batch-lines-max", "100"));
    await until("some requests", () => peer.counts.requests >= 10);
    running.process.kill("SIGINT");
    const { code, stdout } = await running.ended;
    const summary = JSON.parse(stdout) as Record<string, number>;
    expect(code).toBe(130);
    expect(summary).toMatchObject({ complete: false, given_up: 0, unsent: 0 });
    expect(summary["acknowledged"]).toBe(peer.events.size);
    expect(summary["read"]).toBe(peer.events.size);
  });

  test("a stream that falls silent does not keep its lines back", async () => {
    const peer = await start();
    const running = startPublisher(shipArgs(peer, "-", "--flush-interval-ms", "50"));
    running.process.stdin.write("one\ntwo\nthr");
    running.process.stdin.flush();
    await until("two lines", () => peer.events.size === 2);
    running.process.stdin.write("ee\n");
    running.process.stdin.end();
    expect((await running.ended).code).toBe(0);
    expect(texts(peer)).toEqual(["one", "three", "two"]);
  });
});
