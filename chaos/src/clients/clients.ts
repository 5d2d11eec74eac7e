/**
 * Publishers that go on while things break: small batches, a few requests in flight, each retried with the same bytes
 * at any aggregator, as behind a load balancer, and given up after some tries. Every try is entered in the history.
 */
import type { Draw } from "@sekali/aggregator/harness/draw";
import type { TestEvent } from "@sekali/aggregator/harness/event-factory";
import { eventually } from "@sekali/aggregator/harness/eventually";
import { post } from "@sekali/aggregator/harness/http-client";
import { EventSource } from "./event-source.ts";
import type { History } from "./history.ts";

const LANES = 4;
/** Between two batches of a lane: the load is steady and modest, so that the machine is not what is tested. */
const PAUSE_MS_MAX = 40;
const TRIES_MAX = 8;
const BACKOFF_MS_FIRST = 20;
const BACKOFF_MS_MAX = 500;

/** One try, entered in the history. Gives the body of a 200, parsed. */
export async function attempt(
  history: History,
  url: string,
  events: readonly TestEvent[],
  query = "",
): Promise<{ readonly status: number | undefined; readonly body: unknown }> {
  const entered = history.invoke(events);
  try {
    const response = await post(`${url}/publish${query}`, events);
    const text = await response.text();
    const { status } = response;
    history.end(
      entered,
      status === 200 ? "ok" : status >= 400 && status < 500 ? "failed" : "unknown",
      status === 200 ? "200" : `${status} ${text}`,
    );
    return { status, body: status === 200 ? JSON.parse(text) : undefined };
  } catch (error) {
    if (entered.outcome === "invoked") history.end(entered, "unknown", String(error));
    return { status: undefined, body: undefined };
  }
}

export class Clients {
  readonly #history: History;
  readonly #urls: readonly string[];
  readonly #lanes: Promise<void>[];
  #stopped = false;
  #resting: PromiseWithResolvers<void> | undefined;
  #busy = 0;

  constructor(history: History, urls: readonly string[], draws: () => Draw) {
    this.#history = history;
    this.#urls = urls;
    this.#lanes = Array.from({ length: LANES }, () => this.#lane(draws()));
  }

  /** Waits until so many more deliveries have been acknowledged. */
  async acknowledged(more: number, within = 30_000): Promise<void> {
    const goal = this.#history.deliveries.ok + more;
    await eventually(
      () => {
        const missing = goal - this.#history.deliveries.ok;
        if (missing > 0) throw new Error(`${missing} are missing`);
      },
      { within, what: `${more} more acknowledged deliveries` },
    );
  }

  /** Begins nothing new; returns when no request is under way any more. */
  async rest(): Promise<void> {
    this.#resting ??= Promise.withResolvers();
    await eventually(
      () => {
        if (this.#busy > 0) throw new Error(`${this.#busy} are under way`);
      },
      { within: 60_000, what: "the end of what the publishers began" },
    );
  }

  goOn(): void {
    this.#resting?.resolve();
    this.#resting = undefined;
  }

  /** Ends the load; returns when no request is under way any more. */
  async stop(): Promise<void> {
    this.#stopped = true;
    this.goOn();
    await Promise.all(this.#lanes);
  }

  async #lane(draw: Draw): Promise<void> {
    const source = new EventSource(draw);
    while (!this.#stopped) {
      await this.#resting?.promise;
      if (this.#stopped) return;
      const events = source.batch();
      this.#busy += 1;
      for (let tries = 0; tries < TRIES_MAX && !this.#stopped; tries += 1) {
        const { status } = await attempt(this.#history, draw.pick(this.#urls), events);
        if (status === 200 || (status !== undefined && status < 500)) break;
        await Bun.sleep(draw.random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** tries));
      }
      this.#busy -= 1;
      await Bun.sleep(draw.random() * PAUSE_MS_MAX);
    }
  }
}
