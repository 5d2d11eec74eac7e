/**
 * What a queue owes to the rest of Sekali.
 *
 * A queue is a fixed number of shards. A shard is an append-only sequence of entries; an entry holds the deliveries of
 * one flush. Every delivery has a seq in its shard, and an entry is named by the position of its last delivery.
 *
 * It promises: an `add` that has returned is on disk (P1) as far as `durability` says; seqs are handed out once and in
 * order; `read` shows entries in order and says where the head stood in the same instant; nothing is resent behind the
 * caller's back, so a failed `add` has an unknown outcome and a repeated one is a second delivery.
 * It refuses: an add below the caller's floor, of another epoch or past the bounds; and to show another installation's
 * entries.
 * It knows nothing of what deliveries mean.
 */

/** A place in a shard. Positions are ordered by epoch, then seq; seq goes on counting through all epochs. */
export interface Position {
  readonly epoch: number;
  readonly seq: number;
}

export function isAfter(a: Position, b: Position): boolean {
  return a.epoch > b.epoch || (a.epoch === b.epoch && a.seq > b.seq);
}

/** What goes into an entry: `text` is the events' own JSON, comma separated, without brackets. */
export interface Draft {
  readonly deliveries: number;
  readonly text: string;
  /** Deliveries of each request, in order. Their sum is `deliveries`. */
  readonly requests: readonly number[];
  /** Contexts of traced requests (`ops/tracing-port.ts`), separated by spaces; undefined where none is. */
  readonly traces?: string | undefined;
}

export interface AddBounds {
  /** The highest seq of this shard that the caller has seen acknowledged or committed. */
  readonly floorSeq: number;
  readonly eventsMax: number;
  readonly bytesMax: number;
}

export type AddResult =
  | { readonly outcome: "added"; readonly seq: number }
  /** The shard already holds as much as it may. */
  | { readonly outcome: "full" }
  /** The shard must be taken up again before anything is added: Redis lost it, or another epoch rules. */
  | { readonly outcome: "refused"; readonly reason: "missing" | "foreign" | "epoch" | "floor" };

/** An entry as it was found. */
export interface Entry {
  readonly position: Position;
  /** Milliseconds since the Unix epoch by Redis's clock; for people, nothing is decided by it. */
  readonly addedAtMs: number | undefined;
  /** Undefined where the entry is not of a form that this version writes. */
  readonly content: { readonly deliveries: number; readonly text: string; readonly bytesIn: number } | undefined;
  /** As in the draft. */
  readonly traces?: string | undefined;
  /** The entry's own fields as text, for what can't be taken apart. */
  readonly raw: string;
}

export interface ReadResult {
  readonly entries: readonly Entry[];
  /** The head in the instant of the read; undefined where Redis does not know the shard. */
  readonly head: Position | undefined;
}

/** All that Redis knows of a shard, as far as taking it up is concerned. */
export interface ShardState {
  readonly installation: string | undefined;
  readonly head: Position | undefined;
  /** Redis has been started anew since the head's epoch was issued: what it held last may be gone. */
  readonly restarted: boolean;
  /** The last entry of the stream, which may have survived the head, or be beyond it. */
  readonly lastEntry: Position | undefined;
}

/** What waits in a shard behind a position. */
export interface Backlog {
  /** Undefined where Redis does not know the shard. */
  readonly head: Position | undefined;
  /** How long ago the first entry behind the position was added; undefined where there is none. */
  readonly oldestMs: number | undefined;
}

export interface Queue {
  add(shard: number, epoch: number, draft: Draft, bounds: AddBounds): Promise<AddResult>;
  /** Entries after a position, without waiting: at least one if there is any, then up to either bound. */
  read(shard: number, after: Position, deliveriesMax: number, bytesMax: number): Promise<ReadResult>;
  /** Forgets entries up to `position`, but for a bounded tail, and frees their share of the bounds. */
  trim(shard: number, position: Position, bytesIn: number | undefined): Promise<void>;
  /** The heads of the shards, in their order; undefined where Redis does not know the shard. */
  heads(shards: readonly number[]): Promise<readonly (Position | undefined)[]>;
  /** Behind each of the positions, in their order. */
  backlogs(positions: readonly (readonly [shard: number, position: Position])[]): Promise<readonly Backlog[]>;
  state(shard: number): Promise<ShardState>;
  /** Sets the head, if the shard is still as `seen`. False: it is not, look again. */
  begin(shard: number, seen: ShardState, head: Position, committedSeq: number, installation: string): Promise<boolean>;
  readonly link: Link;
}

export type LinkState = "up" | "away";

export interface Link {
  readonly state: LinkState;
  /** What the settings of Redis give up of P1; empty where they give up nothing. */
  readonly durabilityWarnings: readonly string[];
  onChange(listener: (state: LinkState) => void): void;
  /** Reads over a new connection from now on: the one there is may lead to a server that another one has replaced. */
  readAnew(): void;
}

/** The queue can't be reached, or has not answered in time. The outcome of an add is unknown. */
export class QueueAway extends Error {
  override readonly name: string = "QueueAway";
}

/** The queue belongs to another installation. An operator must act; until then it is as if ours were away. */
export class ForeignQueue extends QueueAway {
  override readonly name = "ForeignQueue";

  constructor(found: string, own: string) {
    super(
      `Redis holds the shards of installation ${found}, Postgres is ${own}; ` +
        "use another Redis, another KEY_PREFIX, or empty that Redis",
    );
  }
}
