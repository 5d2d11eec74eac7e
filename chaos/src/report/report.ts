/** One row a fault, out of its episodes: what was done, what was found, and whether that is as it must be. */
import type { EpisodeResult } from "../episode.ts";
import type { Fault } from "../faults/fault.ts";
import type { RunResult } from "../run.ts";

export interface ReportRow {
  readonly fault: string;
  readonly title: string;
  readonly injections: number;
  readonly deliveries: number;
  /** What the service reports as lost. */
  readonly lost: number;
  readonly doubled: number;
  readonly miscounted: number;
  readonly longest_recovery_ms: number;
  readonly verdict: "ok" | "FAILED" | "not run";
  readonly remark: string;
}

export interface Report {
  readonly seed: number;
  readonly began_at: string;
  readonly took_s: number;
  readonly stacks: number;
  readonly passed: boolean;
  readonly rows: readonly ReportRow[];
  readonly stats_replies: number;
  readonly position_looks: number;
  readonly resident_bytes_max: number;
  /** The longest stretch without a processor; times of recovery do not include such stretches. */
  readonly longest_stall_ms: number;
  readonly episodes: readonly EpisodeResult[];
}

export interface ReportFrame {
  readonly seed: number;
  readonly beganAt: Date;
  readonly tookMs: number;
  readonly stacks: number;
}

export function makeReport(faults: readonly Fault[], run: RunResult, frame: ReportFrame): Report {
  const rows = faults.map((fault) => rowOf(fault, run));
  const sum = (of: (result: EpisodeResult) => number) => run.results.reduce((total, result) => total + of(result), 0);
  return {
    seed: frame.seed,
    began_at: frame.beganAt.toISOString(),
    took_s: Math.round(frame.tookMs / 1000),
    stacks: frame.stacks,
    passed: run.results.length > 0 && rows.every(({ verdict }) => verdict !== "FAILED"),
    rows,
    stats_replies: sum((result) => result.stats_replies),
    position_looks: sum((result) => result.position_looks),
    resident_bytes_max: Math.max(0, ...run.results.map((result) => result.resident_bytes_max)),
    longest_stall_ms: Math.max(0, ...run.results.map((result) => result.longest_stall_ms)),
    episodes: run.results,
  };
}

function rowOf(fault: Fault, { results, unavailable }: RunResult): ReportRow {
  const own = results.filter((result) => result.fault === fault.name);
  const sum = (of: (result: EpisodeResult) => number) => own.reduce((total, result) => total + of(result), 0);
  const row = {
    fault: fault.name,
    title: fault.title,
    injections: sum((result) => result.injections),
    deliveries: sum(({ deliveries }) => deliveries.ok + deliveries.unknown),
    lost: sum((result) => result.lost),
    doubled: sum((result) => result.doubled),
    miscounted: sum((result) => result.miscounted),
    longest_recovery_ms: Math.max(0, ...own.map((result) => result.longest_recovery_ms)),
  };
  const reason = unavailable[fault.name];
  if (own.length === 0) return { ...row, verdict: "not run", remark: reason ?? "interrupted" };
  const first = own.find(({ complaints }) => complaints.length > 0);
  if (first !== undefined) {
    return { ...row, verdict: "FAILED", remark: `seed ${first.seed}: ${first.complaints[0]?.split("\n")[0]}` };
  }
  if (fault.mustLose && row.lost === 0) {
    return { ...row, verdict: "FAILED", remark: "a control that must lose, and nothing was reported as lost" };
  }
  return { ...row, verdict: "ok", remark: fault.mustLose ? "must lose, and the loss is reported" : "" };
}
