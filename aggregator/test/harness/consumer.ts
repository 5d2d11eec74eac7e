/** A consumer of one durable subscription, as the tests need it. */
import type { FollowedEvent } from "./follower.ts";
import { request } from "./http-client.ts";

export interface Leased {
  readonly ack_id: string;
  readonly delivery: number;
  readonly event: FollowedEvent;
}

export interface SubscriptionState {
  readonly name: string;
  readonly lag: number;
  readonly outstanding: number;
  readonly dead: number;
  readonly expired: number;
}

const REQUEST_MS_MAX = 40_000;
const TAKE_MS_MAX = 20_000;

export class Consumer {
  readonly #target: () => string;
  readonly #name: string;
  /** All answers to `next`, as they came. */
  handed = "";

  constructor(target: () => string, name: string) {
    this.#target = target;
    this.#name = name;
  }

  get #url(): string {
    return `${this.#target()}/subscriptions/${this.#name}`;
  }

  /** @returns the status. */
  async make(definition: Record<string, unknown>): Promise<number> {
    const reply = await request(this.#url, { method: "PUT", body: JSON.stringify(definition) });
    await reply.text();
    return reply.status;
  }

  async state(): Promise<SubscriptionState> {
    return JSON.parse(await textOf(await request(this.#url))) as SubscriptionState;
  }

  async next({ max = 100, wait = 0 } = {}): Promise<readonly Leased[]> {
    const signal = AbortSignal.timeout(REQUEST_MS_MAX);
    const reply = await request(`${this.#url}/next?max=${max}&wait=${wait}`, { signal });
    const text = await textOf(reply);
    this.handed += text;
    return (JSON.parse(text) as { events: Leased[] }).events;
  }

  /** Asks until it has been handed so many. */
  async take(count: number, { acknowledge = true, max = 100 } = {}): Promise<Leased[]> {
    const taken: Leased[] = [];
    const deadline = performance.now() + TAKE_MS_MAX;
    while (taken.length < count) {
      if (performance.now() > deadline) throw new Error(`${taken.length} of ${count} events were handed out`);
      const events = await this.next({ max, wait: 5 });
      if (acknowledge && events.length > 0) await this.acknowledge(events.map(({ ack_id }) => ack_id));
      taken.push(...events);
    }
    return taken;
  }

  acknowledge(ack_ids: readonly string[]): Promise<unknown> {
    return this.#answer("ack", ack_ids);
  }

  giveBack(ack_ids: readonly string[]): Promise<unknown> {
    return this.#answer("nack", ack_ids);
  }

  async #answer(how: "ack" | "nack", ack_ids: readonly string[]): Promise<unknown> {
    return JSON.parse(
      await textOf(await request(`${this.#url}/${how}`, { method: "POST", body: JSON.stringify({ ack_ids }) })),
    );
  }
}

async function textOf(reply: Response): Promise<string> {
  const text = await reply.text();
  if (reply.status !== 200) throw new Error(`${reply.status}: ${text}`);
  return text;
}
