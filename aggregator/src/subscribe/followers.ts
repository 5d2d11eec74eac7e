/**
 * Everybody who follows the feed at this process: admits them, brings them up to the tail, ends them.
 *
 *   admitted ──start known──▶ catching up ──reached the tail──▶ joined ──slow | draining | expired | gone──▶ ended
 *
 * Catching up reads pages of the subscriber's own, as fast as its client takes them and few at a time over all
 * subscribers, so that a crowd that comes back costs Postgres no more than a few connections.
 */
import { bulkhead, isBulkheadRejectedError } from "cockatiel";
import type { Logger } from "../ops/log.ts";
import { type Problem, QUEUE_AWAY, RequestError, STORE_AWAY, STORE_BEHIND } from "../problem.ts";
import { unacceptable } from "../query/parameters.ts";
import type { Queue } from "../queue/port.ts";
import type { SignalHub } from "../queue/signal-hub.ts";
import type { Cursor, FeedPage, FeedStore } from "../store/feed-port.ts";
import { decodeCursorText, encodeCursorText } from "./cursor-text.ts";
import { encodeEvents, encodeOpening } from "./event-stream.ts";
import { untilThere } from "./patience.ts";
import type { Start } from "./start.ts";
import { Subscriber } from "./subscriber.ts";
import { Tail } from "./tail.ts";

const PAGE_ROWS_MAX = 1000;
const READS_AT_ONCE_MAX = 2;
/** Well below what proxies and this service's own listener take for an idle connection. */
const HEARTBEAT_MS = 15_000;
/** What a client that was cut off waits before it comes back. */
const RETRY_MS = 1000;

export class Followers {
  readonly #store: FeedStore;
  readonly #queue: Pick<Queue, "heads">;
  readonly #tail: Tail;
  readonly #log: Logger;
  readonly #subscribersMax: number;
  readonly #subscribers = new Set<Subscriber>();
  readonly #reads;
  /** Admitted, but not yet answered. */
  #opening = 0;
  #heartbeat: ReturnType<typeof setInterval> | undefined;
  #isDraining = false;

  constructor(store: FeedStore, queue: Pick<Queue, "heads">, hub: SignalHub, subscribersMax: number, log: Logger) {
    this.#store = store;
    this.#queue = queue;
    this.#log = log;
    this.#subscribersMax = subscribersMax;
    this.#tail = new Tail(store, hub, log);
    this.#reads = bulkhead(READS_AT_ONCE_MAX, subscribersMax);
  }

  get count(): number {
    return this.#subscribers.size;
  }

  /**
   * @throws RequestError 503 where there are as many as may be, or the cursor is ahead of a store that went back,
   * 422 for a cursor that is none of this installation, 410 for one from which retention has taken events; StoreAway
   * or QueueAway while the start can't be found.
   */
  async open(topics: readonly string[], start: Start): Promise<Subscriber> {
    this.#admit();
    this.#opening += 1;
    try {
      const cursor = await this.resolve(start);
      if (this.#isDraining) throw draining();
      return this.#begin(topics, cursor, start.from === "now");
    } finally {
      this.#opening -= 1;
    }
  }

  /** Finds where a start lies in the feed; throws as `open` does. */
  resolve(start: Start): Promise<Cursor> {
    return this.#reads
      .execute(() => this.#find(start))
      .catch((error) => {
        throw isBulkheadRejectedError(error) ? crowded("As many ask where to begin as may.") : error;
      });
  }

  /** Ends all streams, each with the cursor to come back with, and opens no more. */
  drain(): void {
    this.#isDraining = true;
    this.#tail.stop();
    for (const subscriber of [...this.#subscribers]) subscriber.end("draining");
  }

  #admit(): void {
    if (this.#isDraining) throw draining();
    if (this.#subscribers.size + this.#opening < this.#subscribersMax) return;
    throw crowded(`This process takes ${this.#subscribersMax} subscribers. Another one may have room.`);
  }

  async #find(start: Start): Promise<Cursor> {
    switch (start.from) {
      case "arrival":
        return await this.#store.before(start.arrival);
      case "cursor":
        return await this.#resume(start.text);
      default: {
        const standing = await this.#store.standing();
        const place = start.from === "now" ? "position" : "horizon";
        return new Map(standing.map((shard) => [shard.shard, shard[place]]));
      }
    }
  }

  async #resume(text: string): Promise<Cursor> {
    const cursor = decodeCursorText(text, this.#store.installation);
    if (cursor === undefined) throw unacceptable("`Last-Event-ID`, or `from`, is no id that this service gave out.");
    if (cursor === "foreign") throw unacceptable("The cursor was given out by another installation.");
    const standing = new Map((await this.#store.standing()).map((shard) => [shard.shard, shard]));
    const ahead = [...cursor].filter(([shard, seq]) => seq > (standing.get(shard)?.position ?? 0));
    if (ahead.length > 0) throw await this.#refusalOf(ahead);
    for (const { shard, horizon } of standing.values()) if ((cursor.get(shard) ?? 0) < horizon) throw expired();
    return cursor;
  }

  /** Of a cursor beyond what is stored. Positions go on to the heads, so what these cover will be there again. */
  async #refusalOf(ahead: readonly (readonly [shard: number, seq: number])[]): Promise<RequestError> {
    const heads = await this.#queue.heads(ahead.map(([shard]) => shard));
    if (ahead.every(([, seq], index) => seq <= (heads[index]?.seq ?? 0))) return new RequestError(STORE_BEHIND);
    return unacceptable("The cursor lies beyond everything that is stored or queued; have both databases gone back?");
  }

  #begin(topics: readonly string[], cursor: Cursor, isCaughtUp: boolean): Subscriber {
    const id = this.#text(cursor);
    const subscriber = new Subscriber(topics, encodeOpening(id, RETRY_MS), id);
    this.#subscribers.add(subscriber);
    subscriber.ended.addEventListener("abort", () => this.#forget(subscriber), { once: true });
    this.#heartbeat ??= setInterval(() => {
      for (const each of [...this.#subscribers]) each.beat();
    }, HEARTBEAT_MS);
    this.#catchUp(subscriber, cursor, isCaughtUp).catch((error) => {
      this.#log.error({ err: error instanceof Error ? error : new Error(String(error)) }, "Catching up failed");
      subscriber.close();
    });
    return subscriber;
  }

  #forget(subscriber: Subscriber): void {
    this.#subscribers.delete(subscriber);
    if (this.#subscribers.size > 0) return;
    clearInterval(this.#heartbeat);
    this.#heartbeat = undefined;
  }

  async #catchUp(subscriber: Subscriber, start: Cursor, wasCaughtUp: boolean): Promise<void> {
    let cursor = start;
    let isCaughtUp = wasCaughtUp;
    while (!subscriber.ended.aborted && !this.#tail.join(subscriber, cursor, isCaughtUp)) {
      await subscriber.drained();
      const page = await this.#readPage(subscriber, cursor);
      if (page === undefined) return;
      if (page.isExpired) {
        subscriber.end("expired");
        return;
      }
      cursor = page.reached;
      isCaughtUp = page.isCaughtUp;
      const id = this.#text(cursor);
      subscriber.place = () => id;
      if (page.events.length > 0) subscriber.push(encodeEvents(page.events, id), id);
    }
  }

  #readPage(subscriber: Subscriber, after: Cursor): Promise<FeedPage | undefined> {
    const query = { after, topics: subscriber.topics, rowsMax: PAGE_ROWS_MAX };
    const read = () => this.#reads.execute(() => this.#store.read(query));
    return untilThere(read, subscriber.ended, this.#log);
  }

  #text(cursor: Cursor): string {
    return encodeCursorText(cursor, this.#store.installation);
  }
}

function expired(): RequestError {
  return new RequestError(EVENTS_GONE);
}

const EVENTS_GONE: Problem = {
  status: 410,
  name: "expired",
  title: "Events are gone",
  detail: "Retention has taken events that follow this cursor. `from=beginning` starts with the oldest there is.",
};

/** What finding a start, and following from there, may say; for example. */
export const FOLLOWING_PROBLEMS: readonly Problem[] = [
  unacceptable("`from` takes `now`, `beginning`, an RFC 3339 time, or the id of an event.").problem,
  EVENTS_GONE,
  crowded("As many follow at this process as may.").problem,
  draining().problem,
  STORE_AWAY,
  STORE_BEHIND,
  QUEUE_AWAY,
];

function crowded(detail: string): RequestError {
  const headers = { "retry-after": "5" };
  return new RequestError({
    status: 503,
    name: "too-many-subscribers",
    title: "Too many subscribers",
    detail,
    headers,
  });
}

function draining(): RequestError {
  const detail = "This process is stopping.";
  const headers = { "retry-after": "1" };
  return new RequestError({ status: 503, name: "draining", title: "Draining", detail, headers });
}
