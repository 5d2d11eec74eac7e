/** Durable subscriptions in Postgres. `sql/lease-events.sql` says how consumers share one. */
import type { Database, Row } from "./database.ts";
import type { Cursor } from "./feed-port.ts";
import acknowledge from "./sql/acknowledge.sql" with { type: "text" };
import leaseEvents from "./sql/lease-events.sql" with { type: "text" };
import makeSubscription from "./sql/make-subscription.sql" with { type: "text" };
import subscriptionDeadLetters from "./sql/subscription-dead-letters.sql" with { type: "text" };
import subscriptionStates from "./sql/subscription-states.sql" with { type: "text" };
import type {
  DeadLetterPage,
  Handout,
  Lease,
  LeasedEvent,
  SubscriptionDefinition,
  SubscriptionState,
  SubscriptionStore,
} from "./subscription-port.ts";
import { topicRegex } from "./topic-regex.ts";

/** Each is a few rows, and a statement whenever one of its consumers waits and something is stored. */
export const SUBSCRIPTIONS_MAX = 1000;
/** Past so many events that are out, a subscription's consumers get what comes back, and nothing new. */
export const OUTSTANDING_MAX = 10_000;
const WINDOW_SEQS = 5_000;
const HANDOUT_BYTES_MAX = 512 * 1024;

export class PostgresSubscriptionStore implements SubscriptionStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async make(definition: SubscriptionDefinition, start: Cursor): Promise<"made" | "taken"> {
    const { name, topic, from, ack_timeout_s, deliveries_max } = definition;
    const rows = await this.#database.query(makeSubscription, [
      name,
      topic,
      topicRegex(topic),
      from,
      ack_timeout_s,
      deliveries_max,
      JSON.stringify(Object.fromEntries(start)),
      SUBSCRIPTIONS_MAX,
    ]);
    return rows.length === 1 ? "made" : "taken";
  }

  async states(name?: string): Promise<readonly SubscriptionState[]> {
    const rows = await this.#database.query(subscriptionStates, [name ?? null]);
    return rows.map(({ start, ...row }) => ({ ...row, from: start }) as unknown as SubscriptionState);
  }

  async remove(name: string): Promise<boolean> {
    const rows = await this.#database.query("DELETE FROM subscriptions WHERE name = $1 RETURNING name", [name]);
    return rows.length === 1;
  }

  async lease(name: string, topic: string | undefined, eventsMax: number): Promise<Handout | undefined> {
    const bounds = [eventsMax, OUTSTANDING_MAX, WINDOW_SEQS, HANDOUT_BYTES_MAX];
    const rows = await this.#database.query(leaseEvents, [name, ...bounds, topic ?? null]);
    const last = rows.pop();
    if (last?.["stands"] !== true) return undefined;
    return { events: rows as unknown as readonly LeasedEvent[], isMoving: last["more"] === true };
  }

  async answer(name: string, leases: readonly Lease[], isDone: boolean): Promise<readonly Lease[] | undefined> {
    const named = leases.map(({ shard, seq, attempt }) => ({ shard, seq, attempt }));
    const [row] = await this.#database.query(acknowledge, [name, JSON.stringify(named), String(isDone)]);
    if (row?.["stands"] !== true) return undefined;
    const held = row["held"] as readonly [number, number, number][];
    return held.map(([shard, seq, attempt]) => ({ shard, seq, attempt }));
  }

  async deadLetters(name: string, after: Omit<Lease, "attempt"> | undefined, limit: number): Promise<DeadLetterPage> {
    const place = [name, after?.shard ?? -1, after?.seq ?? 0];
    const rows = await this.#database.query(subscriptionDeadLetters, [...place, limit + 1]);
    const last: Row | undefined = rows.length > limit ? rows[limit - 1] : undefined;
    return {
      rows: rows.slice(0, limit).map((row) => row["letter"] as string),
      next: last === undefined ? undefined : { shard: last["shard"] as number, seq: last["seq"] as number },
    };
  }
}
