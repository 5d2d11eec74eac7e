/**
 * What is left to do for the audit when a batch has been committed: nobody waits for it, and nothing depends on when.
 *
 * Judging: a duplicate whose winner another transaction committed in the same moment is compared with it now. It is
 * looked for right after a batch that left some, and at start and in the slow poll for what a process left that died.
 * Several processes may do so at once; each row is judged once, in the transaction that counts it.
 *
 * Saying: each conflict is a WARN with the difference, because it is a publisher's bug that deduplication would hide.
 * The lines a second are bounded, and nothing is read for a line that is not written.
 */
import { type Logger, Throttle } from "../ops/log.ts";
import type { AuditJudge, AuditPlace, Conflict } from "../store/audit-port.ts";
import type { StoredBatch } from "../store/port.ts";
import { diffContents } from "./content-diff.ts";

const CONFLICT_LINES_PER_SECOND = 10;
const POLL_INTERVAL_MS = 10_000;

export class Auditor {
  readonly #store: AuditJudge;
  readonly #log: Logger;
  readonly #conflicts: Throttle;
  #timer: ReturnType<typeof setInterval> | undefined;
  #judging: Promise<void> | undefined;
  #saying: Promise<void> | undefined;
  #isAskedAgain = false;
  #isStopped = false;

  constructor(store: AuditJudge, log: Logger) {
    this.#store = store;
    this.#log = log;
    this.#conflicts = new Throttle(log, "warn", "Conflict dropped", CONFLICT_LINES_PER_SECOND);
  }

  /** How many conflicts of the next batch there will be lines for. */
  get room(): number {
    return this.#saying === undefined ? this.#conflicts.room : 0;
  }

  start(): void {
    this.#timer = setInterval(() => this.#wake(), POLL_INTERVAL_MS);
    this.#wake();
  }

  /** Idempotent; returns when nothing is under way any more. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearInterval(this.#timer);
    await this.#judging;
    await this.#saying;
  }

  /** To be called with each batch that was committed. */
  committed({ conflicts, conflicting, unjudged }: Pick<StoredBatch, "conflicts" | "conflicting" | "unjudged">): void {
    this.#say(conflicting, conflicts);
    if (unjudged > 0) this.#wake();
  }

  flush(): void {
    this.#conflicts.flush();
  }

  #wake(): void {
    this.#isAskedAgain = true;
    if (this.#isStopped || this.#judging !== undefined) return;
    this.#judging = this.#judge().finally(() => {
      this.#judging = undefined;
    });
  }

  async #judge(): Promise<void> {
    try {
      while (this.#isAskedAgain && !this.#isStopped) {
        this.#isAskedAgain = false;
        const { judged, conflicts, conflicting } = await this.#store.judge(this.room);
        this.#say(conflicting, conflicts);
        if (judged > 0) this.#isAskedAgain = true;
      }
    } catch (error) {
      this.#log.debug({ reason: String(error) }, "Duplicates not judged, trying again later");
    }
  }

  #say(places: readonly AuditPlace[], total: number): void {
    if (this.#saying !== undefined || places.length === 0) {
      this.#conflicts.leaveOut(total);
      return;
    }
    this.#conflicts.leaveOut(total - places.length);
    this.#saying = this.#write(places).finally(() => {
      this.#saying = undefined;
    });
  }

  async #write(places: readonly AuditPlace[]): Promise<void> {
    let said = 0;
    try {
      for (const conflict of await this.#store.conflicts(places)) {
        this.#conflicts.write(describeConflict(conflict));
        said += 1;
      }
    } catch (error) {
      this.#log.debug({ reason: String(error) }, "Conflicts not shown");
    }
    this.#conflicts.leaveOut(places.length - said);
  }
}

function describeConflict({ topic, event_id, shard, seq, dropped, stored }: Conflict): object {
  const named = { topic, event_id, source: dropped.source, shard, seq };
  return stored === undefined ? named : { ...named, ...diffContents(stored, dropped) };
}
