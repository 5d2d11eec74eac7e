/**
 * A client of `GET /subscribe`: it comes back with the last id whenever its stream ends, and keeps all it was sent, a
 * connection a list.
 */
import { createParser } from "eventsource-parser";
import { identityOf, random, type TestEvent } from "./event-factory.ts";
import { eventually } from "./eventually.ts";

export interface FollowedEvent extends TestEvent {
  readonly received_at: string;
}

/** Why a stream ended, as its last event says. */
export interface StreamEnd {
  readonly reason: string;
  readonly cursor: string;
}

export interface FollowerOptions {
  readonly topic?: string;
  readonly from?: string;
  readonly lastId?: string;
  /** Comes back by itself until it is stopped; else it stays with one connection. */
  readonly returns?: boolean;
}

const RETURN_MS_MAX = 100;
const BUFFER_CHARACTERS_MAX = 64 * 1024 * 1024;

export class Follower {
  /** The events of each connection, in the order in which they came. */
  readonly connections: FollowedEvent[][] = [];
  readonly ends: StreamEnd[] = [];
  /** Answers that were no streams: status and body. */
  readonly refusals: { readonly status: number; readonly text: string }[] = [];
  beats = 0;
  lastId: string | undefined;
  readonly #target: () => string;
  readonly #options: FollowerOptions;
  #connection = new AbortController();
  #isOpen = false;
  #stopped = false;
  readonly #running: Promise<void>;

  constructor(target: () => string, options: FollowerOptions = {}) {
    this.#target = target;
    this.#options = options;
    this.lastId = options.lastId;
    this.#running = this.#run();
  }

  get events(): readonly FollowedEvent[] {
    return this.connections.flat();
  }

  get identities(): ReadonlySet<string> {
    return new Set(this.events.map(identityOf));
  }

  /** Waits until the stream is open: what is stored from now on comes. */
  async opened(): Promise<this> {
    await eventually(
      () => {
        if (!this.#isOpen) throw new Error(`no stream is open; refused: ${JSON.stringify(this.refusals)}`);
      },
      { what: "an open stream" },
    );
    return this;
  }

  async has(count: number, within = 20_000): Promise<void> {
    await eventually(
      () => {
        if (this.identities.size < count) throw new Error(`${this.identities.size} of ${count} have come`);
      },
      { within, what: `${count} events at a subscriber` },
    );
  }

  /** Cuts the connection, wherever it is. */
  cut(): void {
    this.#connection.abort();
  }

  /** Resolves when nothing runs any more: by itself after its one connection, or after `stop`. */
  get ended(): Promise<void> {
    return this.#running;
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    this.cut();
    await this.#running;
  }

  async #run(): Promise<void> {
    do {
      this.#connection = new AbortController();
      await this.#follow(this.#connection.signal).catch(() => undefined);
      this.#isOpen = false;
      if (this.#options.returns && !this.#stopped) await Bun.sleep(random() * RETURN_MS_MAX);
    } while (this.#options.returns && !this.#stopped);
  }

  async #follow(signal: AbortSignal): Promise<void> {
    const query = new URLSearchParams();
    if (this.#options.topic !== undefined) query.set("topic", this.#options.topic);
    if (this.#options.from !== undefined) query.set("from", this.#options.from);
    const headers: Record<string, string> = this.lastId === undefined ? {} : { "last-event-id": this.lastId };
    const tls = { rejectUnauthorized: false };
    const response = await fetch(`${this.#target()}/subscribe?${query}`, { headers, signal, keepalive: false, tls });
    if (response.status !== 200 || response.body === null) {
      this.refusals.push({ status: response.status, text: await response.text() });
      return;
    }
    const events: FollowedEvent[] = [];
    this.connections.push(events);
    const parser = createParser({
      maxBufferSize: BUFFER_CHARACTERS_MAX,
      onId: (id) => {
        this.lastId = id;
      },
      onComment: (comment) => {
        if (comment === "") this.beats += 1;
        else this.#isOpen = true;
      },
      onEvent: ({ event, data }) => {
        if (event === "event") events.push(JSON.parse(data) as FollowedEvent);
        else if (event === "end") this.ends.push(JSON.parse(data) as StreamEnd);
      },
    });
    const decoder = new TextDecoder();
    for await (const bytes of response.body) parser.feed(decoder.decode(bytes, { stream: true }));
  }
}
