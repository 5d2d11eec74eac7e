/**
 * What a store owes to durable subscriptions: it remembers how far each has come in the feed, and what its consumers
 * hold.
 *
 * An event that matches is leased to one consumer at a time, from when the subscription's cursor has passed it until it
 * is acknowledged or has become a dead letter of the subscription. A lease that runs out is given to the next consumer
 * who asks, under the next attempt; only the attempt that is out acknowledges. So each event is handed out at least
 * once, and again after every crash of whoever had it.
 */
import type { Cursor } from "./feed-port.ts";

export interface SubscriptionDefinition {
  readonly name: string;
  /** A topic or a pattern without fault. */
  readonly topic: string;
  /** Where it began, in the words of whoever made it. */
  readonly from: string;
  readonly ack_timeout_s: number;
  readonly deliveries_max: number;
}

export interface SubscriptionState extends SubscriptionDefinition {
  readonly created_at: string;
  /** Deliveries behind the positions that were not looked at yet, whether they match or are duplicates. */
  readonly lag: number;
  /** Events in the hands of consumers, or waiting to be handed out again. */
  readonly outstanding: number;
  readonly dead: number;
  /** Deliveries that retention took before they were looked at. */
  readonly expired: number;
}

export interface Lease {
  readonly shard: number;
  readonly seq: number;
  /** How often the event has been handed out, this time included. */
  readonly attempt: number;
}

export interface LeasedEvent extends Lease {
  /** The JSON text of an `EventRecord`. */
  readonly record: string;
}

export interface Handout {
  readonly events: readonly LeasedEvent[];
  /** The cursor has moved, or something was buried: looking again at once may find more. */
  readonly isMoving: boolean;
}

export interface DeadLetterPage {
  /** Each as JSON text. */
  readonly rows: readonly string[];
  readonly next: Omit<Lease, "attempt"> | undefined;
}

export interface SubscriptionStore {
  /** "taken": there is one of that name, or there are as many as may be. */
  make(definition: SubscriptionDefinition, start: Cursor): Promise<"made" | "taken">;
  states(name?: string): Promise<readonly SubscriptionState[]>;
  /** False: there was none. */
  remove(name: string): Promise<boolean>;
  /**
   * @param topic of the subscription; undefined: whichever it has.
   * @returns undefined where there is no such subscription.
   */
  lease(name: string, topic: string | undefined, eventsMax: number): Promise<Handout | undefined>;
  /**
   * Ends leases, or gives them back so that they are handed out again at once.
   * @returns those that were still out; undefined where there is no such subscription.
   */
  answer(name: string, leases: readonly Lease[], isDone: boolean): Promise<readonly Lease[] | undefined>;
  deadLetters(name: string, after: Omit<Lease, "attempt"> | undefined, limit: number): Promise<DeadLetterPage>;
}
