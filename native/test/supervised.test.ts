import { afterAll, afterEach, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { makeTemporaryFolder, removeTemporaryFolder } from "../src/folder.ts";
import { descendantsOf, isAlive, signal } from "../src/processes.ts";
import { RotatingLog } from "../src/up/rotating-log.ts";
import { pauseAfter, type Service, Supervised } from "../src/up/supervised.ts";
import { waitFor } from "../src/wait.ts";

const RESTARTS = { pause_ms_min: 1, pause_ms_max: 50, steady_ms: 60_000 };
const BOUND_MS = 20_000;

const folder = makeTemporaryFolder("supervised");
afterAll(() => removeTemporaryFolder(folder));

let services = 0;
let running: Supervised | undefined;
afterEach(async () => {
  await running?.stop();
});

function supervise(script: string, changes: Partial<Service> = {}): { supervised: Supervised; log: () => string } {
  services += 1;
  const file = join(folder, `${services}.log`);
  const service: Service = {
    name: "service",
    command: ["sh", "-c", script],
    env: { PATH: process.env["PATH"] },
    stopSignal: "SIGTERM",
    grace_ms: BOUND_MS,
    ready: () => true,
    ...changes,
  };
  running = new Supervised(service, new RotatingLog(file), () => {}, RESTARTS);
  return { supervised: running, log: () => readFileSync(file, "utf8") };
}

test("starts again what is killed, and keeps what it says", async () => {
  const { supervised, log } = supervise("echo hello; exec sleep 300");
  await supervised.start();
  await waitFor("the first greeting", BOUND_MS, () => log().includes("hello"));
  const first = supervised.state().process?.pid ?? 0;
  signal(first, "SIGKILL");
  // One reading a time: between two, the killed process may go from there to gone.
  await waitFor("another process", BOUND_MS, () => ![undefined, first].includes(supervised.state().process?.pid));
  expect(supervised.state()).toMatchObject({ ended: 1, last_end: "SIGKILL" });
  await waitFor("the second greeting", BOUND_MS, () => log().split("hello").length === 3);
});

test("what is told to stop stays stopped", async () => {
  const { supervised, log } = supervise("exec sleep 300");
  await supervised.start();
  const pid = supervised.state().process?.pid ?? 0;
  await supervised.stop();
  await supervised.stop();
  await waitFor("the end to be noted", BOUND_MS, () => log().includes("stopped"));
  expect(isAlive(pid)).toBe(false);
  expect(supervised.state()).toEqual({ process: undefined, ended: 0, last_end: undefined });
});

test("what does not obey is killed with its children once its grace is over", async () => {
  const { supervised } = supervise("trap '' TERM; sleep 300 & wait; sleep 300", { grace_ms: 50 });
  await supervised.start();
  const pid = supervised.state().process?.pid ?? 0;
  await waitFor("the child to be there", BOUND_MS, () => descendantsOf(pid).length > 0);
  const all = [pid, ...descendantsOf(pid)];
  await supervised.stop();
  expect(all.filter(isAlive)).toEqual([]);
});

test("what fails at once is started less and less often", async () => {
  const { supervised, log } = supervise("exit 3", { ready: () => false });
  void supervised.start();
  await waitFor("some failures", BOUND_MS, () => supervised.state().ended >= 5);
  expect(supervised.state().last_end).toBe("exit code 3");
  expect([...log().matchAll(/again in (\d+) ms/g)].slice(0, 5).map((match) => match[1])).toEqual([
    "1",
    "2",
    "4",
    "8",
    "16",
  ]);
  expect(pauseAfter(40, RESTARTS)).toBe(50);
});
