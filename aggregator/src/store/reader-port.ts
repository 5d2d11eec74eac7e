/**
 * What a store owes to those who read events: pages of them, by filters that each have an index or a bound.
 *
 * Topic and time are read by the index; what else filters is compared row by row along it, for as long as one statement
 * may take. Past that the reader throws `TooSlow`: ask for less. Readers never wait behind workers, nor the other way.
 */

/** By timestamp, then event_id, then topic: `desc` shows the newest first. */
export type Order = "asc" | "desc";

export interface EventFilter {
  /** A topic, or a pattern of topics. Undefined: all of them. */
  readonly topic: string | undefined;
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

export interface EventReader {
  /** @throws TooSlow where the rows that fit are too few to be found in time. */
  events(query: EventsQuery): Promise<EventsPage>;
}
