/**
 * `make up`, `make down` where no container engine answers.
 *
 *   up     starts the supervisor in the background and returns when the aggregator is ready
 *   down   ends everything in good order; the data stays
 *   run    the supervisor itself, in the foreground
 *   alive  exit code 0 where a supervisor runs, 1 where none does
 */
import { closeSync, existsSync, openSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { portIsFree } from "../free-port.ts";
import { signal, waitUntilGone } from "../processes.ts";
import { waitFor } from "../wait.ts";
import { answersReady, dataFolder, type Installation, logFolder, stateFile, urlOf } from "./services.ts";
import { readState, type State, stillRuns } from "./state.ts";
import { Supervisor } from "./supervisor.ts";

const READY_MS_MAX = 180_000;
const DOWN_MS_MAX = 150_000;
/** An aggregator that ends this often before it was ever ready will not become ready by itself. */
const FAILED_STARTS_MAX = 4;
const LOG_TAIL_LINES = 8;

const root = resolve(import.meta.dir, "../../..");
const installation: Installation = {
  root,
  bind: process.env["BIND"] || "127.0.0.1",
  port: Number(process.env["PORT"] || "8080"),
  env: process.env,
};

const commands: Record<string, () => Promise<number>> = { up, down, run, alive };
const command = commands[process.argv[2] ?? ""];
if (command === undefined) {
  console.error("usage: main.ts up | down | run | alive");
  process.exit(2);
}
process.exitCode = await command();

async function up(): Promise<number> {
  const running = runningState();
  if (running !== undefined) {
    await waitFor("the running aggregator to be ready", READY_MS_MAX, () => answersReady(running.url));
    console.log(`Sekali is running already, at ${running.url}.`);
    return 0;
  }
  if (!(await portIsFree(installation.port, installation.bind))) {
    console.error(`${installation.bind}:${installation.port} is taken: choose another port, PORT=8081 make up`);
    return 1;
  }
  const pid = startInBackground();
  console.log("Starting Redis, Postgres, the aggregator and a publisher on this machine …");
  const trouble = await troubleOnTheWay(pid);
  if (trouble === undefined) return 0;
  console.error(`Sekali did not start: ${trouble}\n${logTails()}`);
  await down();
  return 1;
}

function startInBackground(): number {
  Bun.spawnSync(["mkdir", "-p", logFolder(root)]);
  const log = openSync(join(logFolder(root), "supervisor.log"), "w");
  const child = Bun.spawn([process.execPath, import.meta.path, "run"], {
    cwd: root,
    env: process.env,
    stdin: "ignore",
    stdout: log,
    stderr: log,
    // A session of its own: closing the terminal ends it no more than Ctrl-C does.
    detached: true,
  });
  closeSync(log);
  child.unref();
  return child.pid;
}

/** Waits until the aggregator is ready; what went wrong if it won't be. */
async function troubleOnTheWay(pid: number): Promise<string | undefined> {
  let trouble: string | undefined;
  try {
    await waitFor("the aggregator to be ready", READY_MS_MAX, async () => {
      trouble = troubleOf(pid);
      return trouble !== undefined || answersReady(urlOf(installation));
    });
  } catch (error) {
    return error instanceof Error ? error.message : String(error);
  }
  return trouble;
}

function troubleOf(pid: number): string | undefined {
  const state = readState(stateFile(root));
  if (state === undefined || state.supervisor.pid !== pid) {
    return isSupervisorGone(pid) ? "its supervisor ended" : undefined;
  }
  if (!stillRuns(state.supervisor)) return "its supervisor ended";
  const failing = Object.entries(state.services).find(([, service]) => service.ended >= FAILED_STARTS_MAX);
  return failing && `the ${failing[0]} ends again and again (${failing[1].last_end})`;
}

function isSupervisorGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return false;
  } catch {
    return true;
  }
}

async function down(): Promise<number> {
  const running = runningState();
  if (running === undefined) {
    console.log("Nothing is running.");
    return 0;
  }
  const { pid } = running.supervisor;
  signal(pid, "SIGTERM");
  await waitUntilGone([pid], DOWN_MS_MAX);
  console.log("Sekali has stopped; its data stays in .data/ (`make clean` removes it).");
  return 0;
}

async function run(): Promise<number> {
  const supervisor = new Supervisor(installation);
  const { promise: told, resolve: tell } = Promise.withResolvers<void>();
  process.once("SIGTERM", () => tell());
  process.once("SIGINT", () => tell());
  const failed = supervisor.start().then(
    () => new Promise<never>(() => {}),
    (error: unknown) => error,
  );
  const error = await Promise.race([told, failed]);
  await supervisor.stop();
  if (error !== undefined) console.error(error);
  return error === undefined ? 0 : 1;
}

async function alive(): Promise<number> {
  return runningState() === undefined ? 1 : 0;
}

function runningState(): State | undefined {
  const state = readState(stateFile(root));
  return state !== undefined && stillRuns(state.supervisor) ? state : undefined;
}

function logTails(): string {
  const names = ["supervisor", "broker", "storage", "aggregator"];
  const files = names.map((name) => join(dataFolder(root), "logs", `${name}.log`)).filter((file) => existsSync(file));
  const tail = (file: string) => readFileSync(file, "utf8").trimEnd().split("\n").slice(-LOG_TAIL_LINES).join("\n");
  return files.map((file) => `── ${file}\n${tail(file)}`).join("\n");
}
