/**
 * What the package says of events and replies, written out: whoever installs it has neither the contract nor its schema
 * library. `public-types.test.ts` holds them to the contract.
 */

/** `queued`: the events are on disk in the queue. `stored`: they are committed, with a verdict on each. */
export type Acknowledgement = "queued" | "stored";

/** What became of one delivery. `dead_letter`: it can never be stored, and the aggregator keeps it with its reason. */
export type Verdict = "stored" | "duplicate" | "dead_letter";

/** A stored event, as it is read. `received_at` is the time of its arrival, by the clock of the store. */
export interface EventRecord {
  topic: string;
  event_id: string;
  timestamp: string;
  source: string;
  payload: Record<string, unknown>;
  received_at: string;
}
