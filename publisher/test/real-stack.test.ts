/**
 * The publisher against the real thing: Postgres, Redis and the aggregator from source. Here the promise of `ship` is
 * kept or broken as a whole: whatever is killed midway, in the end exactly the file is stored.
 */
import { afterAll, beforeAll, expect, test } from "bun:test";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { until } from "@sekali/client/test/peer";
import type { EventRecord, StatsReply } from "@sekali/contract";
import { freePort, type Server, startPostgres, startRedis } from "@sekali/native";
import type { Subprocess } from "bun";
import { logLines, runPublisher, startPublisher } from "./publisher.ts";

const AGGREGATOR = join(import.meta.dir, "..", "..", "aggregator", "src", "main.ts");
const LINES = 6000;

const servers: Server[] = [];
const folder = await mkdtemp(join(tmpdir(), "sekali-real-"));
const port = await freePort();
const target = `http://127.0.0.1:${port}`;
let env: Record<string, string> = {};
let aggregator: Subprocess | undefined;

beforeAll(async () => {
  const [postgres, redis] = await Promise.all([startPostgres({}), startRedis({})]);
  servers.push(postgres, redis);
  const addresses = { DATABASE_URL: postgres.url, BROKER_URL: redis.url };
  const { PATH = "", HOME = "" } = process.env;
  env = { PATH, HOME, ...addresses, HOST: "127.0.0.1", PORT: String(port), LOG_LEVEL: "error" };
  await startAggregator();
}, 120_000);

afterAll(async () => {
  aggregator?.kill("SIGKILL");
  await aggregator?.exited;
  for (const server of servers) await server.stop();
  await rm(folder, { recursive: true });
});

async function startAggregator(): Promise<void> {
  aggregator = Bun.spawn([process.execPath, AGGREGATOR, "serve"], { env, stdout: "ignore", stderr: "inherit" });
  await until("the aggregator to be ready", isReady, 60_000);
}

async function isReady(): Promise<boolean> {
  const reply = await fetch(`${target}/readyz`).catch(() => undefined);
  return reply?.status === 200;
}

async function stats(): Promise<StatsReply> {
  return (await (await fetch(`${target}/stats`)).json()) as StatsReply;
}

/** All that is stored on a topic, page by page, in the order of the file. */
async function storedLines(topic: string): Promise<string[]> {
  const records: EventRecord[] = [];
  let next: string | undefined = `/events?topic=${topic}&limit=1000`;
  while (next !== undefined) {
    const reply: Response = await fetch(new URL(next, target));
    records.push(...((await reply.json()) as EventRecord[]));
    next = /<([^>]+)>; rel="next"/.exec(reply.headers.get("link") ?? "")?.[1];
  }
  const byNumber = records.toSorted((a, b) => Number(a.payload["number"]) - Number(b.payload["number"]));
  return byNumber.map(({ payload }) => String(payload["line"]));
}

const content = Array.from({ length: LINES }, (_, n) => {
  const clock = `${String(n % 24).padStart(2, "0")}:${String(n % 60).padStart(2, "0")}:07`;
  return `192.0.2.${n % 256} - - [23/Nov/2026:${clock} +0700] "GET /page/${n} HTTP/1.1" 200 ${n}`;
});

test("a log is stored exactly, though both programs are killed midway; then all are duplicates", async () => {
  const file = join(folder, "access.log");
  await writeFile(file, `${content.join("\n")}\n`);
  const topic = "web.access";
  const args = ["ship", file, "--topic", topic, "--source", "nginx", "--target", target, "--json"];
  const before = await stats();

  const killed = startPublisher([...args, "--batch-lines-max", "20", "--in-flight-max", "2"]);
  await until("a part to be stored", async () => (await stats()).unique_processed > before.unique_processed + 500);
  killed.process.kill("SIGKILL");
  await killed.ended;
  expect((await storedLines(topic)).length).toBeLessThan(LINES);

  const second = startPublisher([...args, "--batch-lines-max", "20", "--in-flight-max", "2"]);
  const reached = (await stats()).duplicate_dropped + 200;
  await until("the second run to be under way", async () => (await stats()).duplicate_dropped > reached);
  aggregator?.kill("SIGKILL");
  await aggregator?.exited;
  await startAggregator();
  const ended = await second.ended;
  expect(ended.code).toBe(0);
  const summary = JSON.parse(ended.stdout) as Record<string, number>;
  expect(summary).toMatchObject({ read: LINES, acknowledged: LINES, refused: 0, given_up: 0, complete: true });
  expect(summary["requests_retried"]).toBeGreaterThan(0);
  expect(await storedLines(topic)).toEqual(content);

  const third = JSON.parse((await runPublisher(args)).stdout) as Record<string, number>;
  expect(third).toMatchObject({ acknowledged: LINES, stored: 0, duplicates: LINES });
  const after = await stats();
  expect(after.unique_processed - before.unique_processed).toBe(LINES);
  expect(after.received).toBe(after.unique_processed + after.duplicate_dropped + after.dead_lettered + after.queued);
  expect(after).toMatchObject({ dead_lettered: 0, lost: 0 });
}, 180_000);

test("bytes of every kind are stored, none of them as a dead letter", async () => {
  const stdin = Buffer.concat([
    Buffer.from([...Array(256).keys()]),
    Buffer.from('\n\\u0000 "\\ud800" \u{1F600}\n1e999\n\n'),
  ]);
  const { code, stdout } = await runPublisher(
    ["ship", "-", "--topic", "any.bytes", "--source", "test", "--target", target, "--json"],
    { stdin },
  );
  expect(JSON.parse(stdout)).toMatchObject({ stored: 5, refused: 0, dead_lettered: 0 });
  expect(code).toBe(0);
  expect((await storedLines("any.bytes")).slice(2)).toEqual(['\\u0000 "\\ud800" \u{1F600}', "1e999", ""]);
});

test("what the simulator counts is what the aggregator counts", async () => {
  const before = await stats();
  const { code, stdout } = await runPublisher(["--target", target, "--tick-interval-ms", "1", "--count", "2000"]);
  expect(code).toBe(0);
  const summary = logLines(stdout).find((line) => line["msg"] === "SUMMARY") as Record<string, number> | undefined;
  expect(summary).toMatchObject({ sent: 2000, acknowledged: 2000 });
  await until("the queue to be empty", async () => (await stats()).queued === 0);
  const after = await stats();
  expect(after.received - before.received).toBe(2000);
  expect(after.duplicate_dropped - before.duplicate_dropped).toBe(summary?.["duplicates"] ?? -1);
});
