/**
 * What a store owes to those who follow events: the feed.
 *
 * The feed is all stored events in the order in which they became visible: of each shard, by seq. Between shards there
 * is no order. A cursor says how far a reader has come, as the last seq of each shard; whoever has read up to a cursor
 * has seen every event up to it, and nothing up to it becomes visible later.
 */

/** The last seq of each shard that was read. A shard that is not named stands at 0. */
export type Cursor = ReadonlyMap<number, number>;

export interface FeedEvent {
  readonly shard: number;
  readonly seq: number;
  readonly topic: string;
  /** The JSON text of an `EventRecord`, as `/events` shows it. */
  readonly record: string;
}

export interface FeedPage {
  /** By shard, then seq. */
  readonly events: readonly FeedEvent[];
  /** Where the reader stands after this page. It moves on even where no event matched. */
  readonly reached: Cursor;
  /** Nothing more was committed when the page was read. */
  readonly isCaughtUp: boolean;
  /** Retention has taken events that follow the cursor. */
  readonly isExpired: boolean;
}

export interface FeedQuery {
  readonly after: Cursor;
  /** Patterns without fault, at least one: what matches any of them. */
  readonly topics: readonly string[];
  readonly rowsMax: number;
}

export interface FeedStanding {
  readonly shard: number;
  readonly position: number;
  /** The last seq up to which retention has taken events. */
  readonly horizon: number;
}

export interface FeedStore {
  readonly installation: string;
  read(query: FeedQuery): Promise<FeedPage>;
  standing(): Promise<readonly FeedStanding[]>;
  /** The cursor after which everything follows that arrived at a time (RFC 3339) or after it. */
  before(arrival: string): Promise<Cursor>;
}
