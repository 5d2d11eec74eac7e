/** The audit's judge in memory: answers in turn with what a test has laid down, then with nothing. */
import type { Logger } from "../../src/ops/log.ts";
import type { AuditJudge, AuditPlace, Conflict, Judgement } from "../../src/store/audit-port.ts";
import { Auditor } from "../../src/worker/auditor.ts";
import { DeliveryLog } from "../../src/worker/delivery-log.ts";

/** For tests in which no duplicate is a conflict. */
export function nothingToAudit(log: Logger): DeliveryLog {
  return new DeliveryLog(log, new Auditor(new MemoryAuditJudge(), log));
}

export class MemoryAuditJudge implements AuditJudge {
  readonly judgements: Judgement[] = [];
  readonly rows: Conflict[] = [];
  /** How many conflicts each judgement was asked to name. */
  readonly asked: number[] = [];
  readonly lookedUp: AuditPlace[] = [];

  /** Runs before each call; what it throws is what the call fails with. */
  before: (call: "judge" | "conflicts") => void | Promise<void> = () => {};

  async judge(conflictingNamed: number): Promise<Judgement> {
    this.asked.push(conflictingNamed);
    await this.before("judge");
    return this.judgements.shift() ?? { judged: 0, conflicts: 0, conflicting: [] };
  }

  async conflicts(places: readonly AuditPlace[]): Promise<readonly Conflict[]> {
    this.lookedUp.push(...places);
    await this.before("conflicts");
    return this.rows.filter(({ shard, seq }) => places.some((place) => place.shard === shard && place.seq === seq));
  }
}
