/** What is logged of batches and deliveries, within limits a second. */
import { type Logger, Throttle } from "../ops/log.ts";
import type { Position } from "../queue/port.ts";
import type { DeadLetter, Named, Naming, StoredBatch } from "../store/port.ts";
import type { Auditor } from "./auditor.ts";

/** Enough to follow what happens by eye; a program that needs every event asks `/events`. */
const BATCH_LINES_PER_SECOND = 10;
const DROPPED_LINES_PER_SECOND = 50;
const PROCESSED_LINES_PER_SECOND = 1000;
const DEAD_LINES_PER_SECOND = 50;

export class DeliveryLog {
  readonly #batches: Throttle;
  readonly #dropped: Throttle;
  readonly #processed: Throttle;
  readonly #dead: Throttle;
  readonly #auditor: Auditor;

  constructor(log: Logger, auditor: Auditor) {
    this.#auditor = auditor;
    this.#batches = new Throttle(log, "info", "Batch stored", BATCH_LINES_PER_SECOND);
    this.#dropped = new Throttle(log, "warn", "Duplicate dropped", DROPPED_LINES_PER_SECOND);
    this.#processed = new Throttle(log, "debug", "Processed", PROCESSED_LINES_PER_SECOND);
    this.#dead = new Throttle(log, "error", "Dead letter kept", DEAD_LINES_PER_SECOND);
  }

  /** How many deliveries of the next batch there will be lines for. */
  get naming(): Naming {
    return { dropped: this.#dropped.room, kept: this.#processed.room, conflicting: this.#auditor.room };
  }

  batch(shard: number, position: Position, batch: StoredBatch): void {
    const { unique, duplicates, dropped, kept } = batch;
    this.#batches.write({ shard, epoch: position.epoch, seq: position.seq, unique, duplicates });
    this.#name(this.#dropped, dropped, duplicates);
    if (this.#processed.isEnabled) this.#name(this.#processed, kept, unique);
    this.#auditor.committed(batch);
  }

  /** ERROR: an operator should know what a publisher sent that can't be kept. */
  deadLetters(shard: number, letters: readonly DeadLetter[]): void {
    for (const { seq, deliveries, sqlstate, reason } of letters) {
      this.#dead.write({ shard, seq, deliveries, sqlstate, reason });
    }
  }

  flush(): void {
    for (const throttle of [this.#batches, this.#dropped, this.#processed, this.#dead]) throttle.flush();
    this.#auditor.flush();
  }

  #name(throttle: Throttle, named: readonly Named[], total: number): void {
    for (const { topic, event_id, source } of named) throttle.write({ topic, event_id, source });
    throttle.leaveOut(total - named.length);
  }
}
