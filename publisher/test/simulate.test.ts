import { afterEach, describe, expect, test } from "bun:test";
import { unlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Peer, type PeerOptions, startPeer, until } from "@sekali/client/test/peer";
import { logLines, runPublisher, startPublisher } from "./publisher.ts";

/** Ticks that are due and wait for a place; past it they are skipped. */
const WAITING_TICKS_MAX = 1000;

const peers: Peer[] = [];
afterEach(async () => {
  for (const peer of peers.splice(0)) await peer.stop();
});

async function start(options: PeerOptions = {}): Promise<Peer> {
  const peer = await startPeer(options);
  peers.push(peer);
  return peer;
}

function summaryOf(stdout: string): Record<string, number> {
  const summary = logLines(stdout).find((line) => line["msg"] === "SUMMARY");
  return (summary ?? {}) as Record<string, number>;
}

describe("publisher simulate", () => {
  test("is what runs without a subcommand, set up by the environment", async () => {
    const peer = await start();
    const env = {
      TARGET_URL: peer.url,
      TICK_INTERVAL_MS: "1",
      COUNT: "300",
      SEED: "7",
      UUID_VERSION: "7",
      LOG_LEVEL: "",
    };
    const { code, stdout } = await runPublisher([], { env });
    expect(code).toBe(0);
    expect(peer.counts.deliveries).toBe(300);
    const sent = logLines(stdout).filter((line) => String(line["msg"]).startsWith("SENT"));
    expect(sent.length).toBe(300);
    const resent = sent.filter((line) => line["msg"] === "SENT DUPLICATE");
    expect(resent.length).toBeGreaterThan(50);
    expect(sent.every((line) => typeof line["event_id"] === "string" && line["status"] === 200)).toBe(true);
    const summary = summaryOf(stdout);
    expect(summary).toMatchObject({ sent: 300, acknowledged: 300, refused: 0, given_up: 0 });
    expect(summary["sent_duplicate"]).toBe(resent.length);
    expect(peer.events.size).toBe(300 - resent.length);
  });

  test("counts duplicates by what was acknowledged, so that unique = acknowledged − duplicates", async () => {
    const peer = await start();
    for (let n = 0; n < 40; n += 1) peer.faults.push({ kind: "status", status: n % 2 === 0 ? 422 : 503 });
    const args = ["--target", peer.url, "--count", "200", "--tick-interval-ms", "1", "--retry-attempts-max", "1"];
    const { code, stdout } = await runPublisher(args);
    expect(code).toBe(1);
    const summary = summaryOf(stdout);
    expect(summary).toMatchObject({ sent: 200, refused: 20, given_up: 20, acknowledged: 160 });
    expect(peer.events.size).toBe(160 - (summary["duplicates"] ?? 0));
    expect(logLines(stdout).filter((line) => line["msg"] === "GIVEN UP").length).toBe(20);
  });

  test("a tick of a millisecond is a thousand events a second", async () => {
    const peer = await start();
    const { stdout } = await runPublisher(["--target", peer.url, "--count", "1500", "--tick-interval-ms", "1"]);
    const summary = summaryOf(stdout);
    // A loaded machine may skip ticks, never hide them: what was due was sent, is said to be skipped, or waits.
    const due = (summary["sent"] ?? 0) + (summary["ticks_skipped"] ?? 0);
    const begun = [...peer.events.values()].map(({ timestamp }) => Date.parse(timestamp));
    const beginningMs = Math.max(...begun) - Math.min(...begun);
    expect(due + WAITING_TICKS_MAX).toBeGreaterThan(0.9 * beginningMs);
    expect(due / (summary["seconds"] ?? 1)).toBeLessThan(1020);
  });

  test("a target that does not keep up: few in flight, ticks skipped and counted", async () => {
    const peer = await start({ delayMs: 200 });
    const args = ["--target", peer.url, "--tick-interval-ms", "1", "--in-flight-max", "2"];
    const running = startPublisher(args);
    const reader = running.ended;
    await until("fifteen requests, which take 1,500 ticks", () => peer.counts.requests >= 15);
    running.process.kill("SIGINT");
    const { code, stdout } = await reader;
    const summary = summaryOf(stdout);
    expect(code).toBe(0);
    expect(peer.counts.inFlightMax).toBe(2);
    expect(summary["ticks_skipped"]).toBeGreaterThan(100);
    expect(stdout).toContain("ticks skipped");
    expect(summary["sent"]).toBe(summary["acknowledged"] ?? -1);
  });

  test("SIGTERM ends it with a summary after what was under way", async () => {
    const peer = await start({ delayMs: 100 });
    const running = startPublisher(["--target", peer.url, "--tick-interval-ms", "10"]);
    await until("requests", () => peer.counts.requests > 10);
    running.process.kill("SIGTERM");
    const { code, stdout } = await running.ended;
    expect(code).toBe(0);
    const summary = summaryOf(stdout);
    expect(summary["acknowledged"]).toBe(peer.counts.deliveries);
    expect(summary["sent"]).toBe(peer.counts.deliveries);
  });

  test("a log that nobody reads any more ends it, as it ends any program in a pipe", async () => {
    const peer = await start();
    const main = new URL("../src/main.ts", import.meta.url).pathname;
    const script = '"$1" "$2" --target "$3" --tick-interval-ms 5 | head -n 3';
    const child = Bun.spawn(["sh", "-c", script, "sh", process.execPath, main, peer.url], { stdout: "pipe" });
    expect(logLines(await new Response(child.stdout).text()).length).toBe(3);
    expect(await child.exited).toBe(0);
  });

  test("a stop does not wait longer than it may, and counts what it leaves", async () => {
    const peer = await start();
    peer.lasting = { kind: "status", status: 503, headers: { "retry-after": "30" } };
    const running = startPublisher(["--target", peer.url, "--tick-interval-ms", "10", "--stop-timeout-ms", "300"]);
    await until("requests", () => peer.counts.requests > 3);
    const startMs = performance.now();
    running.process.kill("SIGINT");
    const { code, stdout } = await running.ended;
    // Far less than what the target asks for.
    expect(performance.now() - startMs).toBeLessThan(20_000);
    expect(code).toBe(1);
    const summary = summaryOf(stdout);
    expect(summary["given_up"]).toBe(summary["sent"] ?? -1);
  });

  test("a target that never answers ends it with 3, one that went away does not end it", async () => {
    const gone = await start();
    await gone.stop();
    const args = ["--tick-interval-ms", "10", "--retry-attempts-max", "2", "--retry-delay-ms-max", "5"];
    expect((await runPublisher(["--target", gone.url, ...args])).code).toBe(3);

    const peer = await start();
    const running = startPublisher(["--target", peer.url, ...args]);
    await until("requests", () => peer.counts.requests > 3);
    await peer.stop();
    const back = await start({ port: Number(new URL(peer.url).port) });
    await until("requests after its return", () => back.counts.requests > 3);
    running.process.kill("SIGINT");
    await running.ended;
  });
});

describe("publisher healthcheck", () => {
  test("tells a target that is ready from one that is not, and from none", async () => {
    const peer = await start();
    const env = { TARGET_URL: peer.url };
    expect(await runPublisher(["healthcheck"], { env })).toMatchObject({ code: 0, stdout: '{"status":"ready"}\n' });
    peer.lasting = { kind: "status", status: 503 };
    expect((await runPublisher(["healthcheck"], { env })).code).toBe(1);
    await peer.stop();
    expect((await runPublisher(["healthcheck"], { env })).code).toBe(3);
  });
});

describe("a key", () => {
  const args = ["--count", "3", "--tick-interval-ms", "1"];

  test("is taken from the environment or from a file, sent as a bearer token, and told to nobody", async () => {
    const peer = await start();
    const file = join(tmpdir(), `sekali-key-${process.pid}`);
    await writeFile(file, "of-a-file\n");
    for (const env of [{ SEKALI_KEY: "of-the-env" }, { SEKALI_KEY_FILE: file }] as Record<string, string>[]) {
      const { code, stdout, stderr } = await runPublisher(["--target", peer.url, ...args], { env });
      expect(code).toBe(0);
      expect(stdout + stderr).not.toMatch(/of-a-file|of-the-env/);
    }
    await unlink(file);
    expect(peer.authorizations).toEqual([...Array(3).fill("Bearer of-the-env"), ...Array(3).fill("Bearer of-a-file")]);
  });

  test.each([
    [{ SEKALI_KEY: "a", SEKALI_KEY_FILE: "b" }, "give one of them"],
    [{ SEKALI_KEY: "two words" }, "SEKALI_KEY must hold one key"],
    [{ SEKALI_KEY_FILE: "/no/such/file" }, "SEKALI_KEY_FILE can't be read"],
  ] as [Record<string, string>, string][])("%j ends with 2 and says why, without the key", async (env, words) => {
    const { code, stderr } = await runPublisher(args, { env });
    expect(stderr).toContain(words);
    expect(stderr).not.toContain("two words");
    expect(code).toBe(2);
  });

  test("that is refused is tried once, and ends with 1", async () => {
    const peer = await start();
    peer.lasting = { kind: "status", status: 401 };
    const { code } = await runPublisher(["--target", peer.url, ...args], { env: { SEKALI_KEY: "wrong" } });
    expect(code).toBe(1);
    expect(peer.counts.requests).toBe(3);
  });
});

describe("usage", () => {
  test.each([
    [["--tick-interval-ms", "0"], "a whole number from 1 to 3600000"],
    [["--duplicate-ratio", "1.5"], "a number from 0 to 1"],
    [["--target", "ftp://x"], "an http or https URL"],
    [["--target", "http://user:secret@x"], "an http or https URL"],
    [["--uuid-version", "5"], "Allowed choices are 4, 7"],
    [["--unknown"], "unknown option"],
    [["simulat"], "there is no command 'simulat'"],
    [["ship", "x.log", "--source", "s"], "--topic"],
    [["ship", "x.log", "--source", "s", "--topic", "a b"], "white space"],
    [["ship", "--follow", "--source", "s", "--topic", "a"], "--follow takes a file"],
  ])("%j ends with 2 and says what it takes", async (args, words) => {
    const { code, stderr } = await runPublisher(args);
    expect(stderr).toContain(words);
    expect(code).toBe(2);
  });

  test("a wrong environment variable is named", async () => {
    const { code, stderr } = await runPublisher([], { env: { TICK_INTERVAL_MS: "fast" } });
    expect(code).toBe(2);
    expect(stderr).toContain("TICK_INTERVAL_MS");
    expect(stderr).toContain("fast");
  });

  test("--version and --help are fine", async () => {
    expect(await runPublisher(["--version"])).toMatchObject({
      code: 0,
      stdout: expect.stringMatching(/^\d+\.\d+\.\d+\n$/),
    });
    expect(await runPublisher(["--help"])).toMatchObject({ code: 0, stdout: expect.stringContaining("Exit codes:") });
  });
});
