/** What running processes have used, read from Linux's /proc; elsewhere these columns stay empty. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second, fixed at 100 for user programs on Linux (`getconf CLK_TCK`). */
const TICKS_PER_S = 100;

interface ProcessTimes {
  readonly parent: number;
  /** Its own, and that of its children that have ended. */
  readonly own_s: number;
  readonly ended_children_s: number;
}

function timesOf(pid: number): ProcessTimes | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name stands in parentheses and may hold blanks: the fields are counted from behind it (proc(5)).
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const seconds = (index: number): number => Number(fields[index]) / TICKS_PER_S;
    return { parent: Number(fields[1]), own_s: seconds(11) + seconds(12), ended_children_s: seconds(13) + seconds(14) };
  } catch {
    return undefined;
  }
}

/** Processor seconds of a process and all below it. */
export function cpuSeconds(root: number): number | undefined {
  if (!existsSync("/proc/self/stat")) {
    return undefined;
  }
  const all = new Map<number, ProcessTimes>();
  for (const name of readdirSync("/proc")) {
    const times = /^\d+$/.test(name) ? timesOf(Number(name)) : undefined;
    if (times !== undefined) {
      all.set(Number(name), times);
    }
  }
  const below = (pid: number): number => {
    let sum = all.get(pid)?.own_s ?? 0;
    for (const [child, times] of all) {
      sum += times.parent === pid ? below(child) : 0;
    }
    return sum;
  };
  return below(root) + (all.get(root)?.ended_children_s ?? 0);
}

/** Memory resident now, and the most there ever was, in MiB. */
export function residentMib(pid: number): { readonly now: number; readonly peak: number } | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/status`, "latin1");
    const mib = (field: string): number => Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(text)?.[1]) / 1_024;
    return { now: mib("VmRSS"), peak: mib("VmHWM") };
  } catch {
    return undefined;
  }
}
