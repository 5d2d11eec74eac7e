/** Durable subscriptions as the routes use them: starts are resolved, consumers wait in line, bounds are kept. */
import type { Logger } from "../ops/log.ts";
import { RequestError } from "../problem.ts";
import type { SignalHub } from "../queue/signal-hub.ts";
import type { Cursor } from "../store/feed-port.ts";
import type {
  DeadLetterPage,
  Handout,
  Lease,
  SubscriptionDefinition,
  SubscriptionState,
  SubscriptionStore,
} from "../store/subscription-port.ts";
import { Desk } from "./desk.ts";
import type { Start } from "./start.ts";

export class NoSuchSubscription extends Error {
  override readonly name = "NoSuchSubscription";
}

export interface AskedSubscription {
  readonly name: string;
  readonly topic: string | undefined;
}

export interface SubscriptionParts {
  readonly store: SubscriptionStore;
  readonly hub: SignalHub;
  /** Finds where a start lies in the feed. */
  readonly resolve: (start: Start) => Promise<Cursor>;
  /** Consumers that may wait at this process. */
  readonly consumersMax: number;
  readonly log: Logger;
}

export class Subscriptions {
  readonly #parts: SubscriptionParts;
  readonly #desks = new Map<string, Desk>();
  readonly #draining = new AbortController();
  #waiting = 0;

  constructor(parts: SubscriptionParts) {
    this.#parts = parts;
    parts.hub.on(({ kind }) => {
      if (kind === "moved") for (const desk of this.#desks.values()) desk.rouse();
    });
  }

  /** Consumers that wait at this process. */
  get waiting(): number {
    return this.#waiting;
  }

  states(): Promise<readonly SubscriptionState[]> {
    return this.#parts.store.states();
  }

  async state(name: string): Promise<SubscriptionState> {
    const [state] = await this.#parts.store.states(name);
    if (state === undefined) throw new NoSuchSubscription();
    return state;
  }

  /** @returns what is there under that name now, made by this call or before it. */
  async make(definition: SubscriptionDefinition, start: Start): Promise<{ state: SubscriptionState; isNew: boolean }> {
    const [there] = await this.#parts.store.states(definition.name);
    if (there !== undefined) return { state: there, isNew: false };
    const outcome = await this.#parts.store.make(definition, await this.#parts.resolve(start));
    const [state] = await this.#parts.store.states(definition.name);
    if (state === undefined) throw tooMany("There are as many subscriptions as may be. DELETE one first.");
    if (outcome === "made") this.#parts.log.info({ ...definition }, "Subscription made");
    return { state, isNew: outcome === "made" };
  }

  async remove(name: string): Promise<void> {
    if (!(await this.#parts.store.remove(name))) throw new NoSuchSubscription();
    this.#parts.log.info({ name }, "Subscription removed");
  }

  /**
   * Waits for events to hand out; empty where none came in time, or the process stops.
   * @param topic that the subscription must have: another one may be made of the same name meanwhile. Undefined: any.
   */
  async next(
    { name, topic }: AskedSubscription,
    eventsMax: number,
    waitMs: number,
    gone: AbortSignal,
  ): Promise<Handout> {
    if (this.#waiting >= this.#parts.consumersMax) throw tooMany("As many consumers wait here as may.");
    const desk = this.#desks.get(name) ?? new Desk();
    this.#desks.set(name, desk);
    this.#waiting += 1;
    const time = AbortSignal.timeout(waitMs);
    try {
      const ask = () => this.#parts.store.lease(name, topic, eventsMax);
      const handout = await desk.next(ask, gone, AbortSignal.any([time, this.#draining.signal]));
      if (handout === undefined) throw new NoSuchSubscription();
      return handout;
    } finally {
      this.#waiting -= 1;
      if (desk.isEmpty) this.#desks.delete(name);
    }
  }

  async answer(name: string, leases: readonly Lease[], isDone: boolean): Promise<readonly Lease[]> {
    const held = await this.#parts.store.answer(name, leases, isDone);
    if (held === undefined) throw new NoSuchSubscription();
    if (!isDone) this.#desks.get(name)?.rouse();
    return held;
  }

  async deadLetters(name: string, after: Omit<Lease, "attempt"> | undefined, limit: number): Promise<DeadLetterPage> {
    await this.state(name);
    return await this.#parts.store.deadLetters(name, after, limit);
  }

  /** Lets those go who wait, with nothing. */
  drain(): void {
    this.#draining.abort();
  }
}

export function tooMany(detail: string): RequestError {
  return new RequestError({
    status: 503,
    name: "overloaded",
    title: "Overloaded",
    detail,
    headers: { "retry-after": "5" },
  });
}
