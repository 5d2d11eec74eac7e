/** What running processes have used, read from Linux's /proc; elsewhere these columns stay empty. */
import { existsSync, readdirSync, readFileSync } from "node:fs";

/** Clock ticks a second, fixed at 100 for user programs on Linux (`getconf CLK_TCK`). */
const TICKS_PER_S = 100;

interface ProcessTimes {
  readonly parent: number;
  /** Its own, and that of its children that have ended: those are nowhere else to be found any more. */
  readonly used_s: number;
}

function timesOf(pid: number): ProcessTimes | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name stands in parentheses and may hold blanks: the fields are counted from behind it (proc(5)).
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    const seconds = (index: number): number => Number(fields[index]) / TICKS_PER_S;
    return { parent: Number(fields[1]), used_s: seconds(11) + seconds(12) + seconds(13) + seconds(14) };
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
    let sum = all.get(pid)?.used_s ?? 0;
    for (const [child, times] of all) {
      sum += times.parent === pid ? below(child) : 0;
    }
    return sum;
  };
  return below(root);
}

/** Processor seconds that the whole machine has been busy since it started, whoever it was busy for. */
export function machineBusySeconds(): number | undefined {
  try {
    const fields = readFileSync("/proc/stat", "latin1").split("\n", 1)[0]?.split(/\s+/).slice(1, 9).map(Number) ?? [];
    // user, nice, system, idle, iowait, irq, softirq, steal (proc(5)); stolen time is as good as busy with others.
    const [user = 0, nice = 0, system = 0, , , irq = 0, softirq = 0, steal = 0] = fields;
    return (user + nice + system + irq + softirq + steal) / TICKS_PER_S;
  } catch {
    return undefined;
  }
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
