/** A worker between a queue and a store that are in memory, and what it says and signals. */
import type { Entry, Position } from "../../src/queue/port.ts";
import { type Signal, SignalHub } from "../../src/queue/signal-hub.ts";
import type { Standing } from "../../src/store/port.ts";
import { ShardWorker } from "../../src/worker/shard-worker.ts";
import { nothingToAudit } from "./memory-audit-judge.ts";
import { MemoryBatchStore } from "./memory-batch-store.ts";
import { MemoryQueue } from "./memory-queue.ts";
import { type RecordedLog, recordedLog } from "./recorded-log.ts";

/** The one shard of the setting. */
export const SHARD = 3;

export interface WorkerSetting {
  readonly queue: MemoryQueue;
  readonly store: MemoryBatchStore;
  readonly recorded: RecordedLog;
  readonly signals: readonly Signal[];
  readonly worker: ShardWorker;
  /** What Redis holds after the position; the head stands behind the last entry unless it is given. */
  waiting(entries: readonly Entry[], head?: Position): void;
}

/** @param start where the shard stands in the store. */
export function workerSetting(start: Standing): WorkerSetting {
  const queue = new MemoryQueue();
  const store = new MemoryBatchStore({ [SHARD]: start });
  const recorded = recordedLog();
  const signals: Signal[] = [];
  const hub = new SignalHub();
  hub.on((signal) => signals.push(signal));
  const worker = new ShardWorker(queue, store, hub, recorded.log, nothingToAudit(recorded.log));
  const waiting = (entries: readonly Entry[], head = entries.at(-1)?.position) => {
    Object.assign(queue.shard(SHARD), { head, entries: [...entries] });
  };
  return { queue, store, recorded, signals, worker, waiting };
}

/** What nobody waits for has happened. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn += 1) await Promise.resolve();
}
