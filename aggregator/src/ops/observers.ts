/**
 * What the parts of a process tell whoever counts: small ports, so that no part knows of metrics, and none waits.
 *
 * Observers are called on the hot path: they add to numbers, and neither throw nor allocate.
 */

/** How deliveries come in: the forms of `POST /publish`, the other routes, and dead letters that are replayed. */
export type Way = "json" | "lines" | "cloudevents" | "otlp" | "replay";

/** Why a log record is rejected while others of its request are queued: the name of the problem that it would be. */
export const REJECTIONS = ["unacceptable", "topic-not-covered", "too-many-topics"] as const;
export type Rejection = (typeof REJECTIONS)[number];

export interface IngestObserver {
  /** A request's deliveries are on disk (P1), so many milliseconds after they were handed to the batcher. */
  acknowledged(way: Way, deliveries: number, milliseconds: number): void;
  /** Log records were rejected, and their sender has been told. */
  rejected(why: Rejection, records: number): void;
  /** An entry with so many deliveries was added to the queue. */
  entryAdded(deliveries: number): void;
}

/** How a transaction ended; `contended`: another worker held the shard or has moved it, and nothing was changed. */
export const TRANSACTION_ENDS = ["committed", "contended", "away", "too_slow", "refused", "failed"] as const;
export type TransactionEnd = (typeof TRANSACTION_ENDS)[number];

export interface WorkerObserver {
  /** A statement that stores a batch has ended. */
  transaction(end: TransactionEnd, deliveries: number, milliseconds: number): void;
  /** An entry was committed, so long after it was added, by Redis's clock and this process's. */
  entryCommitted(milliseconds: number): void;
}

/** Told how long a route took to answer, well or not; for streams, to begin. */
export type Answered = (milliseconds: number) => void;

export interface RequestObserver {
  /** To be asked for once a route. */
  answeredBy(route: string): Answered;
  /** @param reason the last part of the problem's URN, or its title where it has none. */
  refused(reason: string): void;
}

/** For parts that nobody watches: subcommands and tests. */
export const UNOBSERVED: IngestObserver & WorkerObserver & RequestObserver = {
  acknowledged: () => {},
  rejected: () => {},
  entryAdded: () => {},
  transaction: () => {},
  entryCommitted: () => {},
  answeredBy: () => () => {},
  refused: () => {},
};
