/**
 * What is running, on disk, so that a later `make down` finds it. Each pid is kept with the time at which its process
 * began: after a crash or a reboot the same pid may belong to a stranger, who must not be signalled.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { startTimeOf } from "../processes.ts";

export interface ProcessMark {
  readonly pid: number;
  readonly started: string;
}

export interface ServiceState {
  /** The current run; absent while it waits to be started again. */
  readonly process?: ProcessMark | undefined;
  /** How often it has ended by itself since the supervisor began. */
  readonly ended: number;
  /** How it ended last: an exit code or a signal. */
  readonly last_end?: string | undefined;
}

export interface State {
  readonly supervisor: ProcessMark;
  /** Where the aggregator answers. */
  readonly url: string;
  readonly services: Record<string, ServiceState>;
}

export function markOf(pid: number): ProcessMark | undefined {
  const started = startTimeOf(pid);
  return started === undefined ? undefined : { pid, started };
}

/** Whether it is still the process that was meant. */
export function stillRuns(mark: ProcessMark | undefined): mark is ProcessMark {
  return mark !== undefined && startTimeOf(mark.pid) === mark.started;
}

export function readState(file: string): State | undefined {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return undefined; // None was written yet, or a disk that was full left half of one: nothing can be known from it.
  }
}

/** A reader sees the old state or the new one, never half of one. */
export function writeState(file: string, state: State): void {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.new`, `${JSON.stringify(state, undefined, 2)}\n`);
  renameSync(`${file}.new`, file);
}

export function removeState(file: string): void {
  rmSync(file, { force: true });
}
