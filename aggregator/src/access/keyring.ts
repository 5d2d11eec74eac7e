/**
 * The keys that are good now, in memory: a request is judged without asking anybody.
 *
 * All live keys (they are bounded) are read again every two seconds, so a revoked one is refused in all processes soon
 * after; and whenever somebody shows one that is not known, so a new one is good at once. Such reads are coalesced and
 * have a pace: whoever shows keys that do not exist costs a read now and then, and waits for it. While the store is
 * away, the known keys go on (publishing survives Postgres), and expire by this process's own clock.
 */
import type { Logger } from "../ops/log.ts";
import type { KeyReader, KeyScope, LiveKey } from "../store/key-port.ts";
import { type Caller, compileTopics } from "./caller.ts";
import { digestBytes, isDigest } from "./key-text.ts";
import { TokenBucket } from "./token-bucket.ts";

const REFRESH_MS = 2000;
/** Between two reads for the sake of unknown keys. */
const PACE_MS = 250;
/** Between two notes that a key was used. */
const NOTE_MS = 60_000;

/** A key as long as it is good, and after that until nobody holds it any more. */
export class Key implements Caller {
  readonly id: number;
  readonly name: string;
  readonly digest: string;
  readonly digestBytes: Uint8Array;
  readonly scopes: ReadonlySet<KeyScope>;
  readonly topics: readonly string[];
  readonly allowsAll: boolean;
  readonly allows: (topic: string) => boolean;
  readonly quota: TokenBucket | undefined;
  readonly #expiresAtMs: number;
  readonly #now: () => number;
  readonly #ended = new AbortController();
  /** Since it was last noted. */
  isUsed = false;
  notedAtMs = Number.NEGATIVE_INFINITY;

  /** @param readAtMs when the key was read. @param now monotonic milliseconds. */
  constructor({ id, name, digest, scopes, topics, quota, expiresInMs }: LiveKey, readAtMs: number, now: () => number) {
    this.id = id;
    this.name = name;
    this.digest = digest;
    this.digestBytes = digestBytes(digest);
    this.scopes = new Set(scopes);
    this.topics = topics;
    this.allowsAll = topics.includes(">");
    this.allows = this.allowsAll ? () => true : compileTopics(topics);
    this.quota = quota && new TokenBucket(quota, now);
    this.#now = now;
    this.#expiresAtMs = readAtMs + (expiresInMs ?? Number.POSITIVE_INFINITY);
  }

  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  get leftMs(): number {
    return this.#expiresAtMs - this.#now();
  }

  get isGood(): boolean {
    return this.leftMs > 0 && !this.#ended.signal.aborted;
  }

  end(): void {
    this.#ended.abort();
  }
}

export class Keyring {
  readonly #store: Pick<KeyReader, "liveKeys" | "noteUse">;
  readonly #log: Pick<Logger, "warn" | "info">;
  readonly #now: () => number;
  #byDigest: ReadonlyMap<string, Key> = new Map();
  #byId: ReadonlyMap<number, Key> = new Map();
  /** The read that is under way, and the one that follows it. */
  #reading: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;
  #isAway = false;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #isStopped = false;

  /** @param now monotonic milliseconds. */
  constructor(
    store: Pick<KeyReader, "liveKeys" | "noteUse">,
    log: Pick<Logger, "warn" | "info">,
    now: () => number = () => performance.now(),
  ) {
    this.#store = store;
    this.#log = log;
    this.#now = now;
  }

  get count(): number {
    return this.#byId.size;
  }

  /** Reads the keys and goes on reading them. @throws StoreAway */
  async start(): Promise<void> {
    await this.#read();
    this.#schedule();
  }

  /** Reads no more, and notes what was used. */
  async stop(): Promise<void> {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    await this.#noteUse(0).catch(() => undefined);
  }

  /** A good key by its digest, as far as this process knows. */
  find(digest: string): Key | undefined {
    const key = this.#byDigest.get(digest);
    return key !== undefined && isDigest(digest, key.digestBytes) ? this.#ifGood(key) : undefined;
  }

  /** A good key by its id, as far as this process knows. */
  findById(id: number): Key | undefined {
    const key = this.#byId.get(id);
    return key === undefined ? undefined : this.#ifGood(key);
  }

  /** A good key by its digest, read anew. @throws StoreAway: nobody can say whether there is such a key. */
  async findFresh(digest: string): Promise<Key | undefined> {
    await this.refresh();
    return this.find(digest);
  }

  /** Resolves when the keys have been read by a read that began after this call. */
  refresh(): Promise<void> {
    this.#next ??= this.#readNext().finally(() => {
      this.#next = undefined;
    });
    return this.#next;
  }

  async #readNext(): Promise<void> {
    await this.#reading?.catch(() => undefined);
    const leftMs = this.#readAtMs + PACE_MS - this.#now();
    if (leftMs > 0) await Bun.sleep(leftMs);
    // Who asks from here on waits for the read after this one.
    this.#next = undefined;
    await this.#read();
  }

  #read(): Promise<void> {
    this.#reading = this.#readOnce().finally(() => {
      this.#reading = undefined;
    });
    return this.#reading;
  }

  async #readOnce(): Promise<void> {
    const nowMs = this.#now();
    this.#readAtMs = nowMs;
    try {
      this.#replace(await this.#store.liveKeys(), nowMs);
      if (this.#isAway) this.#log.info("Keys are read again");
      this.#isAway = false;
    } catch (error) {
      if (!this.#isAway) this.#log.warn({ err: error }, "Keys can't be read; those that are known go on");
      this.#isAway = true;
      throw error;
    }
  }

  /** A key never changes but in that it ends, so one that is known stays the same object, with its quota. */
  #replace(live: readonly LiveKey[], nowMs: number): void {
    const keys = live.map((each) => {
      const known = this.#byId.get(each.id);
      return known?.digest === each.digest ? known : new Key(each, nowMs, this.#now);
    });
    const kept = new Set(keys);
    for (const key of this.#byId.values()) if (!kept.has(key)) key.end();
    this.#byDigest = new Map(keys.map((key) => [key.digest, key]));
    this.#byId = new Map(keys.map((key) => [key.id, key]));
  }

  #ifGood(key: Key): Key | undefined {
    return key.isGood ? key : undefined;
  }

  #schedule(): void {
    if (this.#isStopped) return;
    this.#timer = setTimeout(() => void this.#turn(), REFRESH_MS);
  }

  async #turn(): Promise<void> {
    for (const key of this.#byId.values()) if (!key.isGood) key.end();
    // What fails is said where it fails.
    await this.refresh().catch(() => undefined);
    await this.#noteUse(NOTE_MS).catch(() => undefined);
    this.#schedule();
  }

  async #noteUse(afterMs: number): Promise<void> {
    const nowMs = this.#now();
    const used = [...this.#byId.values()].filter((key) => key.isUsed && nowMs - key.notedAtMs >= afterMs);
    if (used.length === 0) return;
    for (const key of used) {
      key.isUsed = false;
      key.notedAtMs = nowMs;
    }
    await this.#store.noteUse(used.map(({ id }) => id));
  }
}
