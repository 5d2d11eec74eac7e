/**
 * What a store owes to those who read events: pages of them, by filters that each have an index or a bound.
 *
 * Topic and time are read by the index; what else filters is compared row by row along it, for as long as one statement
 * may take. Past that the reader throws `TooSlow`: ask for less. Readers never wait behind workers, nor the other way.
 */

/** By timestamp, then event_id, then topic: `desc` shows the newest first. */
export type Order = "asc" | "desc";

export interface EventFilter {
  /** Patterns without fault, at least one: events whose topic matches any of them. */
  readonly topics: readonly string[];
  readonly source: string | undefined;
  /** RFC 3339, inclusive. */
  readonly since: string | undefined;
  /** RFC 3339, exclusive. */
  readonly until: string | undefined;
  /** JSON texts, each of which the payload contains (`@>`). */
  readonly contains: readonly string[];
  /** Text to be found in the payload's JSON text, whatever its case. */
  readonly text: string | undefined;
}

/** The index finds rows by topic and time; what else filters is compared with one row after the other. */
export function isComparedByRow({
  source,
  contains,
  text,
}: Pick<EventFilter, "source" | "contains" | "text">): boolean {
  return source !== undefined || contains.length > 0 || text !== undefined;
}

export interface EventsQuery extends EventFilter {
  readonly order: Order;
  readonly limit: number;
  readonly after: EventsCursor | undefined;
}

/** The last row of a page. */
export interface EventsCursor {
  readonly timestamp: string;
  readonly event_id: string;
  readonly topic: string;
}

export interface EventsPage {
  /**
   * Each row as JSON text of an `EventRecord`; payloads are spliced in as they are stored, numbers keep their digits.
   */
  readonly rows: readonly string[];
  readonly next: EventsCursor | undefined;
}

/** What is known of one identity. */
export interface FoundEvent {
  /** When the event was stored; ISO 8601. */
  readonly received_at: string;
  readonly shard: number;
  readonly seq: number;
  /** What was sent, as the members of a JSON object. Undefined: retention has taken it, and its identity is kept. */
  readonly fields: string | undefined;
  /** The winner's source as JSON text, as long as its event is there. */
  readonly source: string | undefined;
  /** Deliveries that were dropped, the newest first, as far as the audit holds them. */
  readonly duplicates: readonly DroppedDelivery[];
}

export interface DroppedDelivery {
  readonly verdict: "duplicate";
  readonly received_at: string;
  readonly shard: number;
  readonly seq: number;
  readonly source: string;
  /** Null: not compared yet. */
  readonly conflict: boolean | null;
}

export interface CountedTopic {
  readonly topic: string;
  readonly unique_processed: number;
  readonly duplicate_dropped: number;
}

/** Of the events that are there: retention moves the first one on. */
export interface TimeSpan {
  readonly first_timestamp: string;
  readonly last_timestamp: string;
}

export interface EventReader {
  /** @throws TooSlow where the rows that fit are too few to be found in time. */
  events(query: EventsQuery): Promise<EventsPage>;
}

export interface EventFinder {
  /** Undefined: never stored. */
  find(topic: string, eventId: string, duplicatesMax: number): Promise<FoundEvent | undefined>;
}

export interface TopicReader {
  /** All topics, by name, with what was counted of them in all processes. */
  topics(): Promise<readonly CountedTopic[]>;
  /** Topics without events are left out. */
  timeSpans(topics: readonly string[]): Promise<ReadonlyMap<string, TimeSpan>>;
}
