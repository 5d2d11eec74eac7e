/**
 * Consumers that compete for one durable subscription. Now and then one forgets what it was handed, as if it had died;
 * when an aggregator dies under it, it asks another one.
 */
import { Consumer } from "./consumer.ts";
import { identityOf, integer, random } from "./event-factory.ts";

export class Crowd {
  /** How often each event was acknowledged by an answer that was not stale. */
  readonly acknowledged = new Map<string, number>();
  readonly #consumers: Promise<void>[];
  #stopped = false;

  constructor(size: number, target: () => string, subscription: string) {
    this.#consumers = Array.from({ length: size }, () => this.#consume(new Consumer(target, subscription)));
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#consumers);
  }

  async #consume(consumer: Consumer): Promise<void> {
    while (!this.#stopped) {
      try {
        const events = await consumer.next({ max: integer(1, 40), wait: 1 });
        // One in ten dies with what it was handed.
        if (events.length === 0 || random() < 0.1) continue;
        const { stale } = (await consumer.acknowledge(events.map(({ ack_id }) => ack_id))) as { stale: string[] };
        for (const { ack_id, event } of events) {
          if (stale.includes(ack_id)) continue;
          const identity = identityOf(event);
          this.acknowledged.set(identity, (this.acknowledged.get(identity) ?? 0) + 1);
        }
      } catch {
        // The aggregator was killed under it, or Postgres is away: the leases run out, and it asks again.
        await Bun.sleep(random() * 50);
      }
    }
  }
}
