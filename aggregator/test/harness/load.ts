/**
 * A publisher that goes on by itself: small batches, a third of the events resent, a few requests in flight, each
 * retried until it is acknowledged. It runs while a test breaks things.
 */

import { integer, makeEvent, pick, random, type TestEvent } from "./event-factory.ts";
import { eventually } from "./eventually.ts";
import type { Publisher } from "./http-client.ts";

const LANES = 3;
const BATCH_EVENTS_MAX = 12;
const RESENT_SHARE = 0.3;
const HISTORY_EVENTS_MAX = 500;
/** Between two batches of a lane: the load is steady and modest, so that the machine is not what is tested. */
const PAUSE_MS_MAX = 12;
const RETRY_MS_MAX = 60_000;

export class Load {
  readonly #publisher: Publisher;
  readonly #topics: readonly string[];
  readonly #history: TestEvent[] = [];
  readonly #lanes: Promise<void>[];
  #stopped = false;

  constructor(publisher: Publisher, topics: readonly string[] = ["load.a", "load.b", "load.c"]) {
    this.#publisher = publisher;
    this.#topics = topics;
    this.#lanes = Array.from({ length: LANES }, () => this.#lane());
    // A lane that fails is seen by `stop`; until then it must not count as unhandled.
    for (const lane of this.#lanes) lane.catch(() => undefined);
  }

  /** Waits until so many more deliveries have been acknowledged. */
  async acknowledges(more: number, within = 20_000): Promise<void> {
    const goal = this.#publisher.ledger.acknowledged + more;
    await eventually(
      () => {
        const missing = goal - this.#publisher.ledger.acknowledged;
        if (missing > 0) throw new Error(`${missing} are missing`);
      },
      { within, what: `${more} more acknowledged deliveries` },
    );
  }

  /** Ends the load; returns when everything that was begun is acknowledged. */
  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#lanes);
  }

  async #lane(): Promise<void> {
    while (!this.#stopped) {
      await this.#publisher.publish(this.#batch(), { within: RETRY_MS_MAX });
      await Bun.sleep(random() * PAUSE_MS_MAX);
    }
  }

  #batch(): TestEvent[] {
    return Array.from({ length: integer(1, BATCH_EVENTS_MAX) }, () => {
      if (this.#history.length > 0 && random() < RESENT_SHARE) return pick(this.#history);
      const event = makeEvent({ topic: pick(this.#topics) });
      this.#history.push(event);
      if (this.#history.length > HISTORY_EVENTS_MAX) this.#history.shift();
      return event;
    });
  }
}
