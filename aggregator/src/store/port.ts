/**
 * What a store owes to the rest of Sekali.
 *
 * A store keeps each identity once (P2), counts every delivery exactly (P3) and knows the position up to which each
 * shard has been committed. Rows, counters and position change in one transaction or not at all.
 *
 * It promises: a `StoredBatch` that was returned is committed; a batch that was read before the shard was taken up
 * again, or from another position, changes nothing; no call waits for longer than its deadline.
 * It refuses by throwing `StoreAway` (try again later, the outcome of a write is unknown: read the position again),
 * `Unstorable` (the data themselves are at fault: examine them) or `TooSlow` (try again with less).
 */
import type { StoredVerdict } from "@sekali/contract";
import type { Position } from "../queue/port.ts";
import type { AuditPlace } from "./audit-port.ts";

/** Where a shard stands, as the transaction that moves it must find it. */
export interface Standing extends Position {
  /** Raised whenever a producer takes the shard up: what was read before that is void. */
  readonly fence: number;
  /** The epoch that rules: a queue in another one is not the one that Postgres knows of. */
  readonly issuedEpoch: number;
}

/** What Postgres can never store, with the last seq and the number of its deliveries. */
export interface DeadLetter {
  readonly seq: number;
  readonly deliveries: number;
  readonly sqlstate: string;
  readonly reason: string;
  readonly raw: string;
}

export interface Batch {
  readonly shard: number;
  readonly from: Standing;
  readonly to: Position;
  /** The deliveries' own JSON texts, comma separated. */
  readonly text: string;
  readonly deliveries: number;
  /** The seq of each delivery, where they do not simply follow on from `from.seq`. */
  readonly seqs: readonly number[] | undefined;
  readonly deadLetters: readonly DeadLetter[];
  /** For those who watch; nothing of it is stored. */
  readonly entries?: readonly BatchEntry[];
}

export interface BatchEntry {
  /** Milliseconds since the Unix epoch, by the queue's clock. */
  readonly addedAtMs: number | undefined;
  /** Contexts of traced requests, as the entry carries them. */
  readonly traces?: string | undefined;
}

/** How many deliveries the answer should name, for the log. */
export interface Naming {
  readonly dropped: number;
  readonly kept: number;
  readonly conflicting: number;
}

export interface Named {
  readonly topic: string;
  readonly event_id: string;
  readonly source: string;
}

export interface StoredBatch {
  readonly unique: number;
  readonly duplicates: number;
  readonly dropped: readonly Named[];
  readonly kept: readonly Named[];
  /** Duplicates that are known to be conflicts. */
  readonly conflicts: number;
  /** Duplicates whose winner could not be seen yet: they are still to be compared with it. */
  readonly unjudged: number;
  readonly conflicting: readonly AuditPlace[];
}

/** A delivery of an entry that was taken apart: its own text, and why Postgres refuses it. */
export interface Examined {
  readonly raw: string;
  readonly refusal: { readonly sqlstate: string; readonly reason: string } | undefined;
}

export interface Loss {
  readonly shard: number;
  readonly epoch: number;
  readonly cause: "redis" | "gap";
  readonly afterSeq: number;
  readonly throughSeq: number;
}

/** For workers: commits batches. */
export interface BatchStore {
  /** Called when a connection has ended: another state of the store, even an older one, may be behind the next one. */
  onConnectionLost(listener: () => void): void;
  standings(): Promise<ReadonlyMap<number, Standing>>;
  standing(shard: number): Promise<Standing | undefined>;
  /** Undefined: another worker holds the shard, or it does not stand at `batch.from` any more. Nothing was changed. */
  storeBatch(batch: Batch, naming: Naming): Promise<StoredBatch | undefined>;
  /** Moves a position over deliveries that Redis no longer has. False: the shard does not stand at `from` any more. */
  skipGap(shard: number, from: Standing, to: Position): Promise<boolean>;
  /** Undefined: the entry itself can't be taken apart, for the reason given. */
  examine(text: string, deliveries: number): Promise<readonly Examined[] | { sqlstate: string; reason: string }>;
}

/** A shard's row, locked while a producer compares it with what Redis has. */
export interface LockedShard {
  readonly position: Position;
  readonly issuedEpoch: number;
  /** Issues an epoch. */
  issue(epoch: number, baseSeq: number): Promise<void>;
  /** Writes down a loss; what was already written down of the same place only grows. */
  noteLoss(loss: Loss): Promise<void>;
  /** The epochs issued after a given one, in their order, each with the seq it continues from. */
  epochsAfter(epoch: number): Promise<readonly Position[]>;
}

/** For producers: takes shards up, and answers what became of deliveries. */
export interface ShardStore {
  readonly installation: string;
  /** Locks the shard's row (waiting for a worker that holds it), raises its fence, and commits what `compare` did. */
  takeUp<T>(shard: number, compare: (row: LockedShard) => Promise<T>): Promise<T>;
  positions(shards: readonly number[]): Promise<ReadonlyMap<number, Position>>;
  /** Every shard that was ever added to. */
  shards(): Promise<readonly number[]>;
  /** Each delivery's fate, in order; undefined where it is not known (Redis lost it, or it is not committed). */
  verdicts(query: VerdictQuery): Promise<readonly (StoredVerdict | undefined)[]>;
  /** Topics that have been counted. */
  topics(): Promise<readonly string[]>;
}

export interface VerdictQuery {
  readonly shard: number;
  readonly epoch: number;
  /** The seq of the first delivery; the others follow on. */
  readonly firstSeq: number;
  readonly identities: readonly { readonly topic: string; readonly event_id: string }[];
}

export interface TopicCount {
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
  /** Of the dropped: those that said something else than what is stored. */
  readonly conflicts: number;
  readonly dead_lettered: number;
}

/** Counters and positions of one instant. */
export interface Tally {
  readonly topics: ReadonlyMap<string, TopicCount>;
  readonly positions: ReadonlyMap<number, Position>;
  readonly lost: number;
  /** Deliveries in dead letters that are neither replayed nor deleted. */
  readonly deadOpen: number;
}

/** For those who count. Reading events is `reader-port.ts`. */
export interface EventStore {
  tally(): Promise<Tally>;
  ping(): Promise<void>;
}

/** Counts from the rows themselves, in one snapshot. */
export interface Recount {
  readonly identities: number;
  readonly events: number;
  readonly counted: TopicCount;
  readonly deadLetters: number;
  /** Deliveries in dead letters that are replayed or deleted: of the rows, and as counted. */
  readonly deadResolved: { readonly rows: number; readonly counted: number };
  /** Rows of the audit, with what its retention has taken. */
  readonly audited: { readonly duplicates: number; readonly conflicts: number };
  readonly shards: readonly {
    readonly shard: number;
    readonly position: Position;
    readonly issuedEpoch: number;
    readonly counted: number;
    readonly lostInGaps: number;
  }[];
  /** Events without the identity that let them in. */
  readonly strayEvents: number;
}

export interface StoreKeeping {
  /** Makes the partitions of the coming days and drops expired ones. */
  keepPartitions(retentionDays: number | undefined): Promise<{ made: number; dropped: number }>;
  /** Rows outside of all dated partitions, of events and of the audit; counted up to a thousand each. */
  countStrays(): Promise<number>;
  recount(): Promise<Recount>;
}

export class StoreAway extends Error {
  override readonly name: string = "StoreAway";
}

/** The role may not do that. An operator must act; until then it is as if the store were away. */
export class StoreForbidden extends StoreAway {
  override readonly name = "StoreForbidden";
}

export class Unstorable extends Error {
  override readonly name = "Unstorable";
}

export class TooSlow extends Error {
  override readonly name = "TooSlow";
}
