/**
 * The end of the feed, read once for all subscribers of this process.
 *
 *   resting ──first subscriber joins──▶ following ──last one leaves──▶ resting
 *
 * While it follows, a tick reads what was committed since the last one, whenever a worker says that a shard has moved
 * (or a slow poll finds it). Of each tick and pattern one buffer is made, and written once to each subscriber.
 *
 * Who joins must not miss or repeat anything. The last ticks are kept, bounded: a subscriber may join as soon as its
 * cursor is not behind the first of them, gets from them what it has not seen, and goes on with the next tick. Where it
 * is ahead of the tail in a shard, what it knows is left out until the tail has passed it.
 */
import { compileTopicPatterns } from "@sekali/contract";
import type { Logger } from "../ops/log.ts";
import type { SignalHub } from "../queue/signal-hub.ts";
import type { Cursor, FeedEvent, FeedPage, FeedStore } from "../store/feed-port.ts";
import { encodeCursorText, farthest, hasReached } from "./cursor-text.ts";
import { encodeEvents } from "./event-stream.ts";
import { untilThere } from "./patience.ts";
import type { Subscriber } from "./subscriber.ts";

/** Delay against work: each tick costs a statement, a buffer for each pattern and a write for each subscriber. */
const TICK_MS = 50;
/** Signals are hints; this is the net under them. */
const POLL_MS = 1000;
const TICK_ROWS_MAX = 2000;
/** Of the last ticks so much is kept: some seconds of 1,000 events/s, in which a cut connection comes back. */
const RECENT_CHARACTERS_MAX = 4 * 1024 * 1024;

interface Tick {
  readonly from: Cursor;
  readonly events: readonly FeedEvent[];
  readonly characters: number;
}

interface Group {
  readonly matches: (topic: string) => boolean;
  readonly members: Set<Subscriber>;
}

export class Tail {
  readonly #store: FeedStore;
  readonly #log: Logger;
  /** By `nameOf` their patterns. */
  readonly #groups = new Map<string, Group>();
  /** The cursors of those who have seen more than the tail. */
  readonly #ahead = new Map<Subscriber, Cursor>();
  readonly #recent: Tick[] = [];
  #recentCharacters = 0;
  /** Undefined while resting. */
  #cursor: Cursor | undefined;
  #id = "";
  #isWoken = false;
  #wake: (() => void) | undefined;
  #lastTickAtMs = Number.NEGATIVE_INFINITY;
  readonly #stopping = new AbortController();

  constructor(store: FeedStore, hub: SignalHub, log: Logger) {
    this.#store = store;
    this.#log = log;
    hub.on(({ kind }) => {
      if (kind === "moved") this.#rouse();
    });
  }

  /**
   * Takes a subscriber on from its cursor.
   * @param isCaughtUp nothing more was committed when the subscriber last looked.
   * @returns false: the tail does not reach back so far; read on and try again.
   */
  join(subscriber: Subscriber, cursor: Cursor, isCaughtUp: boolean): boolean {
    if (this.#stopping.signal.aborted) return false;
    if (this.#cursor === undefined) {
      if (!isCaughtUp) return false;
      this.#begin(cursor);
    } else if (!hasReached(cursor, this.#recent[0]?.from ?? this.#cursor)) {
      return false;
    }
    const group = this.#group(subscriber.topics);
    group.members.add(subscriber);
    subscriber.ended.addEventListener("abort", () => this.#leave(subscriber), { once: true });
    const events = this.#recent.flatMap((tick) => tick.events.filter((event) => group.matches(event.topic)));
    this.#ahead.set(subscriber, cursor);
    subscriber.place = () => {
      const ahead = this.#ahead.get(subscriber);
      return ahead === undefined ? this.#id : this.#text(farthest(ahead, this.#cursor ?? ahead));
    };
    this.#pushUnseen(subscriber, events);
    return true;
  }

  /** Follows no more. Subscribers are ended by whoever opened them. */
  stop(): void {
    this.#stopping.abort();
    this.#rouse();
  }

  #group(topics: readonly string[]): Group {
    const name = nameOf(topics);
    let group = this.#groups.get(name);
    if (group === undefined) {
      group = { matches: compileTopicPatterns(topics), members: new Set() };
      this.#groups.set(name, group);
    }
    return group;
  }

  #leave(subscriber: Subscriber): void {
    const name = nameOf(subscriber.topics);
    const group = this.#groups.get(name);
    group?.members.delete(subscriber);
    this.#ahead.delete(subscriber);
    if (group?.members.size === 0) this.#groups.delete(name);
    if (this.#groups.size === 0) this.#rouse();
  }

  #begin(cursor: Cursor): void {
    this.#moveTo(cursor);
    // It may have been a while since the subscriber looked.
    this.#isWoken = true;
    queueMicrotask(() => void this.#follow());
  }

  async #follow(): Promise<void> {
    let isCaughtUp = true;
    for (;;) {
      if (isCaughtUp) await this.#untilDue();
      const cursor = this.#cursor;
      if (cursor === undefined || this.#isDeserted) break;
      this.#isWoken = false;
      const read = () => this.#store.read({ after: cursor, topics: [">"], rowsMax: TICK_ROWS_MAX });
      const page = await untilThere(read, this.#stopping.signal, this.#log);
      if (page === undefined) break;
      if (page.isExpired) {
        for (const { members } of [...this.#groups.values()]) for (const member of [...members]) member.end("expired");
        break;
      }
      this.#deliver(cursor, page);
      isCaughtUp = page.isCaughtUp;
    }
    this.#cursor = undefined;
    this.#recent.length = 0;
    this.#recentCharacters = 0;
  }

  get #isDeserted(): boolean {
    return this.#groups.size === 0 || this.#stopping.signal.aborted;
  }

  /** Waits for a reason to look, then until a tick has passed since the last one. */
  async #untilDue(): Promise<void> {
    if (!this.#isWoken) {
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, POLL_MS);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
      this.#wake = undefined;
    }
    if (!this.#isDeserted) await this.#pace();
  }

  async #pace(): Promise<void> {
    const leftMs = this.#lastTickAtMs + TICK_MS - performance.now();
    if (leftMs > 0) await Bun.sleep(leftMs);
    this.#lastTickAtMs = performance.now();
  }

  #rouse(): void {
    this.#isWoken = true;
    this.#wake?.();
  }

  #deliver(from: Cursor, { events, reached }: FeedPage): void {
    this.#moveTo(reached);
    if (events.length > 0) this.#remember({ from, events, characters: charactersOf(events) });
    const topics = [...new Set(events.map(({ topic }) => topic))];
    for (const { matches, members } of [...this.#groups.values()]) {
      const wanted = new Set(topics.filter(matches));
      const matching = wanted.size === topics.length ? events : events.filter(({ topic }) => wanted.has(topic));
      const chunk = matching.length === 0 ? undefined : encodeEvents(matching, this.#id);
      for (const member of [...members]) {
        if (this.#ahead.has(member)) this.#pushUnseen(member, matching);
        else if (chunk !== undefined) member.push(chunk, this.#id);
      }
    }
  }

  /** Leaves out what the subscriber has seen before it joined. */
  #pushUnseen(subscriber: Subscriber, events: readonly FeedEvent[]): void {
    const ahead = this.#ahead.get(subscriber);
    if (ahead === undefined || this.#cursor === undefined) return;
    const unseen = events.filter(({ shard, seq }) => seq > (ahead.get(shard) ?? 0));
    const now = farthest(ahead, this.#cursor);
    if (hasReached(this.#cursor, ahead)) this.#ahead.delete(subscriber);
    else this.#ahead.set(subscriber, now);
    if (unseen.length === 0) return;
    const id = this.#text(now);
    subscriber.push(encodeEvents(unseen, id), id);
  }

  #moveTo(cursor: Cursor): void {
    this.#cursor = cursor;
    this.#id = this.#text(cursor);
  }

  #text(cursor: Cursor): string {
    return encodeCursorText(cursor, this.#store.installation);
  }

  #remember(tick: Tick): void {
    this.#recent.push(tick);
    this.#recentCharacters += tick.characters;
    while (this.#recentCharacters > RECENT_CHARACTERS_MAX) {
      this.#recentCharacters -= this.#recent.shift()?.characters ?? 0;
    }
  }
}

/** Patterns hold no white space. */
function nameOf(topics: readonly string[]): string {
  return topics.join(" ");
}

function charactersOf(events: readonly FeedEvent[]): number {
  return events.reduce((sum, { record }) => sum + record.length, 0);
}
