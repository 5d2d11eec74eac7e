/**
 * A publisher as the tests need it: it retries as a real one does (the same bytes, exponential backoff, full jitter),
 * and enters every outcome in a ledger.
 */
import { random, type TestEvent } from "./event-factory.ts";
import { Ledger } from "./ledger.ts";

export interface StoredReply {
  readonly status: "stored";
  readonly count: number;
  readonly unique: number;
  readonly duplicates: number;
  readonly dead_lettered: number;
  readonly results: readonly ("stored" | "duplicate" | "dead_letter")[];
}

export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail?: string;
  readonly errors?: readonly { readonly pointer: string; readonly detail: string }[];
}

const REQUEST_MS_MAX = 15_000;
const BACKOFF_MS_FIRST = 20;
const BACKOFF_MS_MAX = 400;

/**
 * One request on a connection of its own: a pooled connection would be retried by `fetch` behind the ledger's back.
 * Where the service speaks HTTPS, its certificate is the business of the tests in test/tls alone.
 */
export async function request(url: string, init: RequestInit = {}): Promise<Response> {
  const signal = AbortSignal.timeout(REQUEST_MS_MAX);
  return await fetch(url, { keepalive: false, signal, tls: { rejectUnauthorized: false }, ...init });
}

export async function post(url: string, body: unknown): Promise<Response> {
  return await request(url, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
}

export type Outcome =
  | { readonly taken: true; readonly reply: unknown }
  | { readonly taken: false; readonly why: string };

export class Publisher {
  /** Where to publish now; it may change between two tries, as behind a load balancer. */
  readonly #target: () => string;
  readonly ledger: Ledger;

  constructor(target: () => string, ledger: Ledger = new Ledger()) {
    this.#target = target;
    this.ledger = ledger;
  }

  /** One try. Anything but 200, 503 and a broken connection is a failure of the test. */
  async attempt(events: readonly TestEvent[], query = ""): Promise<Outcome> {
    let response: Response;
    let text: string;
    try {
      response = await post(`${this.#target()}/publish${query}`, events);
      text = await response.text();
    } catch (error) {
      this.ledger.doubt(events);
      return { taken: false, why: String(error) };
    }
    if (response.status === 200) {
      this.ledger.acknowledge(events);
      return { taken: true, reply: JSON.parse(text) };
    }
    if (response.status !== 503) throw new Error(`publish was answered with ${response.status}: ${text}`);
    this.ledger.doubt(events);
    return { taken: false, why: `503 ${text}` };
  }

  /** Tries until it is acknowledged, or the bound has passed. Gives the reply. */
  async publish(events: readonly TestEvent[], { within = 30_000, query = "" } = {}): Promise<unknown> {
    const deadline = performance.now() + within;
    for (let tries = 0; ; tries += 1) {
      const outcome = await this.attempt(events, query);
      if (outcome.taken) return outcome.reply;
      if (performance.now() > deadline) throw new Error(`not acknowledged within ${within} ms: ${outcome.why}`);
      await Bun.sleep(random() * Math.min(BACKOFF_MS_MAX, BACKOFF_MS_FIRST * 2 ** tries));
    }
  }

  /** Publishes and waits for the verdicts. */
  async publishStored(events: readonly TestEvent[], bound: { within?: number } = {}): Promise<StoredReply> {
    return (await this.publish(events, { ...bound, query: "?ack=stored" })) as StoredReply;
  }

  /** Publishes the batches in their order, `lanes` at a time. */
  async publishAll(batches: readonly (readonly TestEvent[])[], { lanes = 4, within = 60_000 } = {}): Promise<void> {
    const waiting = batches.values();
    const lane = async () => {
      for (const batch of waiting) await this.publish(batch, { within });
    };
    await Promise.all(Array.from({ length: lanes }, lane));
  }
}
