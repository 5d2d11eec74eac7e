/**
 * Group commit: the deliveries of all requests that arrive in one turn of the event loop become one entry.
 *
 * One Redis command, one fsync, many acknowledgements. While as many entries are under way as may be, the next one
 * grows. A request is never split over entries, so it is accepted all or nothing.
 *
 * It promises: `submit` resolves after Redis has acknowledged the entry (P1), or fails within 2 s (P6). After
 * `Overloaded` nothing was stored; after `QueueAway` the outcome is unknown, and repeating is safe.
 * It is bounded: bytes that wait here, entries under way, the size of an entry, the time of waiting (P4).
 */
import type { IngestObserver, Way } from "../ops/observers.ts";
import { ENTRY_TRACES_MAX, type Tracing } from "../ops/tracing-port.ts";
import { type Draft, type Position, QueueAway } from "../queue/port.ts";
import type { SignalHub } from "../queue/signal-hub.ts";
import type { ShardKeeper } from "./shard-keeper.ts";
import { ShardPicker } from "./shard-picker.ts";

/** An entry is about as large as what a worker stores in one transaction; a larger request is an entry by itself. */
const ENTRY_DELIVERIES_MAX = 2000;
const ENTRY_BYTES_MAX = 1024 * 1024;
/** One is fsynced while the next one travels; more would make them smaller without making the fsync faster. */
const ENTRIES_UNDER_WAY_MAX = 2;
/** The bytes of a text are at most so many times its length: UTF-8 of UTF-16. */
const BYTES_A_CHARACTER_MAX = 3;
const WAITING_BYTES_MAX = 32 * 1024 * 1024;
/** With the command's own time-out, a publish fails within 2 s. */
const WAITING_MS_MAX = 600;

/** Where a request's deliveries went. */
export interface Receipt {
  readonly shard: number;
  readonly epoch: number;
  readonly firstSeq: number;
  readonly lastSeq: number;
}

/** Everything that may wait is waiting; the caller should come back later. */
export class Overloaded extends Error {
  override readonly name = "Overloaded";
}

interface Request {
  readonly deliveries: number;
  readonly way: Way;
  readonly submittedAtMs: number;
  readonly resolve: (receipt: Receipt) => void;
  readonly reject: (error: Error) => void;
}

interface Waiting {
  readonly texts: string[];
  readonly requests: Request[];
  readonly traces: string[];
  deliveries: number;
  bytes: number;
  timer: ReturnType<typeof setTimeout> | undefined;
}

export class Batcher {
  readonly #keeper: ShardKeeper;
  readonly #hub: SignalHub;
  readonly #observer: IngestObserver;
  readonly #tracing: Pick<Tracing, "current"> | undefined;
  readonly #picker: ShardPicker;
  /** An entry of several requests always fits into an empty shard; or those that fit by themselves would be refused. */
  readonly #deliveriesMax: number;
  readonly #lengthMax: number;
  readonly #waiting: Waiting[] = [];
  readonly #idle: (() => void)[] = [];
  #waitingBytes = 0;
  #underWay = 0;
  #scheduled = false;

  constructor(
    keeper: ShardKeeper,
    hub: SignalHub,
    observer: IngestObserver,
    tracing?: Pick<Tracing, "current"> | undefined,
  ) {
    this.#keeper = keeper;
    this.#hub = hub;
    this.#observer = observer;
    this.#tracing = tracing;
    this.#picker = new ShardPicker(keeper.shards.length);
    const { eventsMax, bytesMax } = keeper.bounds;
    this.#deliveriesMax = Math.min(ENTRY_DELIVERIES_MAX, eventsMax);
    this.#lengthMax = Math.min(ENTRY_BYTES_MAX, Math.floor(bytesMax / BYTES_A_CHARACTER_MAX));
  }

  /** Bytes that wait here. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * @param text the events' own JSON, comma separated; its length stands in for its bytes, which are at most thrice.
   */
  submit(text: string, deliveries: number, way: Way): Promise<Receipt> {
    if (!this.#keeper.isOpen) return Promise.reject(new QueueAway("no shard can be added to"));
    // A request by itself always finds room, however large it may be by configuration.
    if (this.#waitingBytes > 0 && this.#waitingBytes + text.length > WAITING_BYTES_MAX) {
      return Promise.reject(new Overloaded("too much is waiting to be queued"));
    }
    return new Promise((resolve, reject) => {
      const waiting = this.#room(text.length, deliveries);
      waiting.texts.push(text);
      waiting.requests.push({ deliveries, way, submittedAtMs: performance.now(), resolve, reject });
      const trace = this.#tracing?.current();
      if (trace !== undefined) noteTrace(waiting, trace);
      waiting.deliveries += deliveries;
      waiting.bytes += text.length;
      this.#waitingBytes += text.length;
      this.#schedule();
    });
  }

  /** Resolves when everything that was submitted has been answered. */
  async drain(): Promise<void> {
    if (this.#underWay === 0 && this.#waiting.length === 0) return;
    await new Promise<void>((resolve) => this.#idle.push(resolve));
  }

  #room(bytes: number, deliveries: number): Waiting {
    const last = this.#waiting.at(-1);
    if (
      last !== undefined &&
      last.bytes + bytes <= this.#lengthMax &&
      last.deliveries + deliveries <= this.#deliveriesMax
    ) {
      return last;
    }
    const fresh: Waiting = { texts: [], requests: [], traces: [], deliveries: 0, bytes: 0, timer: undefined };
    fresh.timer = setTimeout(() => this.#giveUp(fresh), WAITING_MS_MAX);
    this.#waiting.push(fresh);
    return fresh;
  }

  #giveUp(waiting: Waiting): void {
    const index = this.#waiting.indexOf(waiting);
    if (index < 0) return;
    this.#waiting.splice(index, 1);
    this.#waitingBytes -= waiting.bytes;
    fail(waiting, new QueueAway("Redis did not take entries in time"));
    this.#settle();
  }

  #schedule(): void {
    if (this.#scheduled || this.#underWay >= ENTRIES_UNDER_WAY_MAX) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    while (this.#underWay < ENTRIES_UNDER_WAY_MAX) {
      const next = this.#waiting.shift();
      if (next === undefined) return;
      clearTimeout(next.timer);
      this.#waitingBytes -= next.bytes;
      this.#underWay += 1;
      void this.#send(next).finally(() => {
        this.#underWay -= 1;
        this.#settle();
      });
    }
  }

  #settle(): void {
    if (this.#waiting.length > 0) this.#schedule();
    else if (this.#underWay === 0) for (const resolve of this.#idle.splice(0)) resolve();
  }

  async #send(waiting: Waiting): Promise<void> {
    const draft: Draft = {
      deliveries: waiting.deliveries,
      text: waiting.texts.length === 1 ? (waiting.texts[0] ?? "") : waiting.texts.join(","),
      requests: waiting.requests.map((request) => request.deliveries),
      traces: waiting.traces.length === 0 ? undefined : waiting.traces.join(" "),
    };
    try {
      const { shard, head } = await this.#add(draft);
      this.#hub.emit({ kind: "grown", shard, head });
      this.#observer.entryAdded(draft.deliveries);
      let seq = head.seq - draft.deliveries;
      const nowMs = performance.now();
      for (const { deliveries, way, submittedAtMs, resolve } of waiting.requests) {
        this.#observer.acknowledged(way, deliveries, nowMs - submittedAtMs);
        resolve({ shard, epoch: head.epoch, firstSeq: seq + 1, lastSeq: seq + deliveries });
        seq += deliveries;
      }
    } catch (error) {
      fail(waiting, error instanceof Error ? error : new Error(String(error)));
    }
  }

  /** Tries one shard after the other, for as long as nothing can have been added. */
  async #add(draft: Draft): Promise<{ shard: number; head: Position }> {
    const shards = this.#keeper.shards.length;
    let full = false;
    for (let tries = 0; tries < shards; tries += 1) {
      const shard = tries === 0 ? this.#picker.pick(draft.deliveries) : this.#picker.next();
      const epoch = this.#keeper.epochOf(shard);
      if (epoch === undefined) continue;
      const result = await this.#keeper.add(shard, epoch, draft);
      if (result.outcome === "added") return { shard, head: { epoch, seq: result.seq } };
      full ||= result.outcome === "full";
    }
    if (full) throw new Overloaded("the queue is full");
    throw new QueueAway("no shard could be added to");
  }
}

function noteTrace({ traces }: Waiting, trace: string): void {
  if (traces.length < ENTRY_TRACES_MAX && !traces.includes(trace)) traces.push(trace);
}

function fail(waiting: Waiting, error: Error): void {
  for (const { reject } of waiting.requests) reject(error);
}
