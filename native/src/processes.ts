/**
 * What the operating system knows of processes: who is alive, who is whose child, and since when.
 *
 * A pid alone names nobody, because it is used again. Whatever outlives this program (pid files) therefore keeps the
 * pid together with the time at which the process began.
 */
import { readdirSync, readFileSync } from "node:fs";
import { waitFor } from "./wait.ts";

interface ProcessRow {
  readonly pid: number;
  readonly parent: number;
  /** Opaque; the same for the whole life of a process, and different when the pid is used again. */
  readonly started: string;
  /** Dead, but not yet collected by its parent. */
  readonly zombie: boolean;
}

/** An orderly end includes a checkpoint, and a slow disk may take its time over that. */
const GONE_MS_MAX = 60_000;

/** When the living process `pid` began, or undefined where there is none. */
export function startTimeOf(pid: number): string | undefined {
  const row = readProcess(pid);
  return row === undefined || row.zombie ? undefined : row.started;
}

export function isAlive(pid: number): boolean {
  return startTimeOf(pid) !== undefined;
}

/** Sends a signal; a process that is gone already is no error. */
export function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/**
 * SIGKILLs a process and all that descends from it, and waits until none is left.
 * The parent is stopped first, so that it can't fork or clean up between the listing and the killing.
 */
export async function killTree(pid: number): Promise<void> {
  signal(pid, "SIGSTOP");
  const doomed = [pid, ...descendantsOf(pid)];
  for (const each of doomed) signal(each, "SIGKILL");
  await waitUntilGone(doomed);
}

export async function waitUntilGone(pids: readonly number[], bound_ms = GONE_MS_MAX): Promise<void> {
  await waitFor(`processes ${pids.join(", ")} to end`, bound_ms, () => pids.every((pid) => !isAlive(pid)));
}

/** Children, their children and so on, as they are at this moment. */
export function descendantsOf(pid: number): number[] {
  const rows = listProcesses();
  const found: number[] = [];
  let parents = new Set([pid]);
  while (parents.size > 0) {
    const children = rows.filter((row) => parents.has(row.parent)).map((row) => row.pid);
    found.push(...children);
    parents = new Set(children);
  }
  return found;
}

function listProcesses(): ProcessRow[] {
  if (process.platform !== "linux") return parsePs(run(["ps", "-axo", "pid=,ppid=,stat=,lstart="]));
  const pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  return pids.map((pid) => readProcess(Number(pid))).filter((row) => row !== undefined);
}

function readProcess(pid: number): ProcessRow | undefined {
  if (process.platform !== "linux") return parsePs(run(["ps", "-p", String(pid), "-o", "pid=,ppid=,stat=,lstart="]))[0];
  try {
    return parseProcStat(readFileSync(`/proc/${pid}/stat`, "utf8"));
  } catch {
    return undefined; // It has ended: the file is gone, or went while it was read (ESRCH).
  }
}

/** proc(5): `pid (comm) state ppid …`, where comm may itself hold blanks and brackets; field 22 is the start time. */
export function parseProcStat(line: string): ProcessRow | undefined {
  const pid = Number.parseInt(line, 10);
  const fields = line.slice(line.lastIndexOf(")") + 2).split(" ");
  const [state, parent, started] = [fields[0], fields[1], fields[19]];
  if (Number.isNaN(pid) || parent === undefined || started === undefined) return undefined;
  return { pid, parent: Number(parent), started, zombie: state === "Z" || state === "X" };
}

/** `ps -o pid=,ppid=,stat=,lstart=`, for systems without /proc. */
export function parsePs(text: string): ProcessRow[] {
  return text.split("\n").flatMap((line) => {
    const match = /^\s*(\d+)\s+(\d+)\s+(\S+)\s+(.+?)\s*$/.exec(line);
    if (match === null) return [];
    const [, pid, parent, state = "", started = ""] = match;
    return [{ pid: Number(pid), parent: Number(parent), started, zombie: state.startsWith("Z") }];
  });
}

function run(command: string[]): string {
  return Bun.spawnSync(command, { env: { ...process.env, LC_ALL: "C" } }).stdout.toString();
}
