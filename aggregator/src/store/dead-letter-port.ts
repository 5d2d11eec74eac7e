/**
 * What the store owes to those who look after dead letters.
 *
 *   kept ──replayed──▶ replayed      its event was published again, perhaps repaired
 *     └────deleted───▶ deleted       its bytes are gone
 *
 * A row is never taken away, and its deliveries stay counted as dead (P3): what is replayed is a new delivery. Nothing
 * leads back, and of two who resolve the same letter one is the first.
 * Calls throw what those of the other ports throw.
 */

export type DeadLetterState = "kept" | "replayed" | "deleted";

/** A dead letter's last seq names it in its shard. */
export interface DeadLetterName {
  readonly shard: number;
  readonly seq: number;
}

export interface DeadLetterRecord extends DeadLetterName {
  /** More than 1 where an entry could not even be taken apart. */
  readonly deliveries: number;
  readonly sqlstate: string;
  readonly reason: string;
  /** ISO 8601, as all times here. */
  readonly dead_at: string;
  readonly state: DeadLetterState;
  readonly resolved_at: string | null;
  /** Of what was sent; null where that is deleted. */
  readonly bytes: number | null;
}

export interface DeadLetterDetail {
  readonly record: DeadLetterRecord;
  /** Undefined where it is deleted. */
  readonly raw: Uint8Array | undefined;
}

export interface DeadLetterPlace extends DeadLetterName {
  readonly dead_at: string;
}

export interface DeadLettersQuery {
  /** Those that are replayed or deleted, those that are not, or undefined: all. */
  readonly resolved: boolean | undefined;
  readonly limit: number;
  readonly after: DeadLetterPlace | undefined;
}

export interface DeadLetterStore {
  /** The youngest first. */
  deadLetters(query: DeadLettersQuery): Promise<{
    readonly records: readonly DeadLetterRecord[];
    readonly next: DeadLetterPlace | undefined;
  }>;
  deadLetter(name: DeadLetterName): Promise<DeadLetterDetail | undefined>;
  /** True for the one call that has resolved it; false where it was resolved before, or is not there. */
  resolve(name: DeadLetterName, state: Exclude<DeadLetterState, "kept">): Promise<boolean>;
}
