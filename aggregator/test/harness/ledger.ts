/**
 * What a publisher knows for certain, kept beside the tests' requests: the exact side of P3.
 * A delivery is acknowledged (200), refused (a 4xx: surely not taken), or in doubt (503, or the connection broke).
 */
import { identityOf, type TestEvent } from "./event-factory.ts";

export class Ledger {
  /** Deliveries that were answered with 200. */
  acknowledged = 0;
  /** Deliveries that may or may not have been taken. */
  inDoubt = 0;
  /** Every identity that was acknowledged at least once. */
  readonly identities = new Map<string, TestEvent>();
  /** Identities of which every delivery so far is in doubt. */
  readonly doubtful = new Set<string>();

  acknowledge(events: readonly TestEvent[]): void {
    this.acknowledged += events.length;
    for (const event of events) {
      const identity = identityOf(event);
      if (!this.identities.has(identity)) this.identities.set(identity, event);
      this.doubtful.delete(identity);
    }
  }

  doubt(events: readonly TestEvent[]): void {
    this.inDoubt += events.length;
    for (const event of events) {
      const identity = identityOf(event);
      if (!this.identities.has(identity)) this.doubtful.add(identity);
    }
  }
}
