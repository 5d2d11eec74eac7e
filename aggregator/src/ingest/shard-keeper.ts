/**
 * Takes shards up, so that deliveries may be added to them, and issues epochs.
 *
 * Authority: Postgres says how far a shard is committed and which epoch rules; Redis says what it holds. Before the
 * first add after every (re)connection, and whenever an add is refused, the two are compared while the shard's row in
 * Postgres is locked and its fence raised, so that a worker's batch that was read before can't be committed after.
 *
 *   closed ──takeUp──▶ open(epoch, floor) ──link away, add refused, head below the floor──▶ closed
 *
 * Redis is sound if it belongs to this installation, is in the epoch that Postgres issued, has not been started anew
 * since, and has neither less than was committed nor less than this process knows to have been acknowledged. (What
 * another process has seen acknowledged, this one hears from its signals, which a broken link may swallow. Were a Redis
 * that has come back with less taken for sound, this process would add in the place of what is gone, and the other one
 * would find too small a loss, or none. So a Redis that was started anew is never sound.) Otherwise
 * the shard goes on in a new epoch, greater than any that was ever seen, with its seq continuing from the greater of
 * what survived and what is committed. A stale add or trim of an older epoch is then harmless. What this process saw
 * acknowledged and Redis no longer has is written down as lost (P4), by every process for what it saw; the claims merge
 * to the largest.
 *
 * Redis is told first and Postgres committed last: a crash in between leaves Redis in an epoch that Postgres never
 * issued, which is not sound, so that the next one to look issues another. So is Redis ahead where Postgres goes back
 * to an older state; that a worker finds, which commits nothing from a Redis in another epoch than Postgres has issued.
 */
import type { Logger } from "../ops/log.ts";
import type { AddResult, Draft, Position, Queue, ShardState } from "../queue/port.ts";
import { ForeignQueue, isAfter, QueueAway } from "../queue/port.ts";
import type { LockedShard, ShardStore } from "../store/port.ts";

const CHECK_INTERVAL_MS = 1000;
/** How often the comparison is repeated at once when an add slipped in between. */
const BEGIN_TRIES_MAX = 5;

export interface ShardBounds {
  readonly eventsMax: number;
  readonly bytesMax: number;
}

export class ShardKeeper {
  readonly #queue: Queue;
  readonly #store: ShardStore;
  readonly #log: Logger;
  /** Of each shard. */
  readonly bounds: ShardBounds;
  readonly #shards: readonly number[];
  /** Shards that may be added to. */
  readonly #open = new Map<number, number>();
  /** What this process has seen acknowledged or committed, or heard to be; outlives the link. */
  readonly #floors = new Map<number, Position>();
  /** Shards that others add to, of which this process has heard: it can tell what was acknowledged, if they can't. */
  readonly #heard = new Set<number>();
  readonly #underWay = new Map<number, Promise<void>>();
  #timer: ReturnType<typeof setInterval> | undefined;
  #foreign = false;
  /** Counts the changes of the link: what was compared before one says nothing of what is there after it. */
  #linkChanges = 0;

  /** @param shards that this process adds to. */
  constructor(queue: Queue, store: ShardStore, shards: number, bounds: ShardBounds, log: Logger) {
    this.#queue = queue;
    this.#store = store;
    this.#log = log;
    this.bounds = bounds;
    this.#shards = Array.from({ length: shards }, (_, shard) => shard);
  }

  /** Returns when every shard has been tried once. Afterwards the keeper follows the link by itself. */
  async start(): Promise<void> {
    this.#queue.link.onChange((state) => {
      this.#open.clear();
      this.#linkChanges += 1;
      if (state === "up") this.#takeUpAll();
    });
    this.#timer = setInterval(() => void this.#check(), CHECK_INTERVAL_MS);
    await this.#learnOfOthers();
    await Promise.all(this.#known.map((shard) => this.#takeUp(shard)));
  }

  /** Shards from before SHARDS was lowered, or of processes that were configured otherwise. */
  async #learnOfOthers(): Promise<void> {
    try {
      for (const shard of await this.#store.shards()) if (!this.#isAddedTo(shard)) this.#heard.add(shard);
    } catch (error) {
      // What is said of them is heard all the same.
      this.#log.debug({ reason: String(error) }, "Shards not looked up");
    }
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  /** True if at least one shard takes deliveries. */
  get isOpen(): boolean {
    return this.#open.size > 0;
  }

  /** How many shards take deliveries. */
  get openShards(): number {
    return this.#open.size;
  }

  /** The queue belongs to another installation; nothing is added until an operator has acted. */
  get isForeign(): boolean {
    return this.#foreign;
  }

  get shards(): readonly number[] {
    return this.#shards;
  }

  epochOf(shard: number): number | undefined {
    return this.#open.get(shard);
  }

  /** Adds to a shard that is open. After a refusal the shard is taken up again in the background. */
  async add(shard: number, epoch: number, draft: Draft): Promise<AddResult> {
    const floor = this.#floors.get(shard);
    const result = await this.#queue.add(shard, epoch, draft, {
      floorSeq: floor?.epoch === epoch ? floor.seq : 0,
      eventsMax: this.bounds.eventsMax,
      bytesMax: this.bounds.bytesMax,
    });
    if (result.outcome === "added") {
      this.#raiseFloor(shard, { epoch, seq: result.seq });
    } else if (result.outcome === "refused") {
      this.#log.warn({ shard, epoch, reason: result.reason }, "Add refused");
      this.#close(shard);
    }
    return result;
  }

  /**
   * A producer was acknowledged so far, or a worker has committed so far, in this process or another one: Redis had it,
   * and must not come back with less. A later epoch says nothing here: first what this process saw acknowledged in its
   * own one is to be looked for. Of a shard that is new to this process, all that is there is what it knows.
   */
  learn(shard: number, position: Position): void {
    if (this.#floors.get(shard)?.epoch === position.epoch) this.#raiseFloor(shard, position);
    else if (!this.#isAddedTo(shard) && !this.#heard.has(shard)) void this.takeUp(shard);
  }

  /** Compares a shard that is found to be in another epoch than Postgres has issued, whether it is added to or not. */
  takeUp(shard: number): Promise<void> {
    if (!this.#isAddedTo(shard)) this.#heard.add(shard);
    return this.#takeUp(shard);
  }

  #isAddedTo(shard: number): boolean {
    return shard < this.#shards.length;
  }

  get #known(): readonly number[] {
    return [...this.#shards, ...this.#heard];
  }

  #close(shard: number): void {
    this.#open.delete(shard);
    void this.#takeUp(shard);
  }

  #takeUpAll(): void {
    for (const shard of this.#known) void this.#takeUp(shard);
  }

  #takeUp(shard: number): Promise<void> {
    const underWay = this.#underWay.get(shard);
    if (underWay !== undefined) return underWay;
    const taking = this.#takeUpNow(shard).finally(() => this.#underWay.delete(shard));
    this.#underWay.set(shard, taking);
    return taking;
  }

  async #takeUpNow(shard: number): Promise<void> {
    const linkChanges = this.#linkChanges;
    try {
      const head = await this.#store.takeUp(shard, (row) => this.#compare(shard, row));
      this.#foreign = false;
      this.#raiseFloor(shard, head);
      if (this.#linkChanges !== linkChanges) return await this.#takeUpNow(shard);
      if (this.#queue.link.state === "up" && this.#isAddedTo(shard)) this.#open.set(shard, head.epoch);
    } catch (error) {
      if (error instanceof ForeignQueue && !this.#foreign) {
        this.#foreign = true;
        this.#log.error({ reason: error.message }, "Foreign Redis refused");
      }
      this.#log.debug({ shard, reason: String(error) }, "Shard not taken up");
    }
  }

  async #compare(shard: number, row: LockedShard): Promise<Position> {
    for (let tries = 0; tries < BEGIN_TRIES_MAX; tries += 1) {
      const state = await this.#queue.state(shard);
      if (state.installation !== undefined && state.installation !== this.#store.installation) {
        throw new ForeignQueue(state.installation, this.#store.installation);
      }
      const head = isSound(state, row, this.#floors.get(shard)) ? state.head : await this.#issue(shard, row, state);
      if (head === undefined) continue;
      await this.#noteLoss(shard, row);
      return head;
    }
    throw new QueueAway(`shard ${shard} kept changing while it was taken up`);
  }

  /** Undefined: the shard has changed meanwhile. */
  async #issue(shard: number, row: LockedShard, state: ShardState): Promise<Position | undefined> {
    const epoch = Math.max(state.head?.epoch ?? 0, state.lastEntry?.epoch ?? 0, row.issuedEpoch) + 1;
    const seq = Math.max(state.head?.seq ?? 0, state.lastEntry?.seq ?? 0, row.position.seq);
    const head = { epoch, seq };
    if (!(await this.#queue.begin(shard, state, head, row.position.seq, this.#store.installation))) return undefined;
    await row.issue(epoch, seq);
    this.#log.info({ shard, epoch, seq, found: state.head ?? null }, "Epoch issued");
    return head;
  }

  /**
   * What this process saw acknowledged in an epoch that has ended, beyond what the next epoch continued from; and of
   * what that left, beyond what any later one did, of which this process may have seen none.
   */
  async #noteLoss(shard: number, row: LockedShard): Promise<void> {
    const seen = this.#floors.get(shard);
    if (seen === undefined) return;
    let throughSeq = seen.seq;
    for (const { epoch, seq: afterSeq } of await row.epochsAfter(seen.epoch)) {
      if (afterSeq >= throughSeq) continue;
      await row.noteLoss({ shard, epoch, cause: "redis", afterSeq, throughSeq });
      this.#log.error(
        { shard, epoch: seen.epoch, after_seq: afterSeq, through_seq: throughSeq, lost: throughSeq - afterSeq },
        "Redis lost acknowledged deliveries",
      );
      throughSeq = afterSeq;
    }
  }

  #raiseFloor(shard: number, position: Position): void {
    const floor = this.#floors.get(shard);
    if (floor === undefined || isAfter(position, floor)) this.#floors.set(shard, position);
  }

  /** Finds what Redis lost without losing the connection (FLUSHALL, a deleted key), and closed shards. */
  async #check(): Promise<void> {
    if (this.#queue.link.state !== "up") return;
    try {
      const shards = this.#known;
      const heads = shards.length === 0 ? [] : await this.#queue.heads(shards);
      shards.forEach((shard, index) => {
        const head = heads[index];
        const floor = this.#floors.get(shard);
        const epoch = this.#isAddedTo(shard) ? this.#open.get(shard) : floor?.epoch;
        // Another epoch than this process adds to: another process has found a loss, of which this one may know more.
        const sound = head !== undefined && head.epoch === epoch && (floor === undefined || !isAfter(floor, head));
        if (epoch === undefined) void this.#takeUp(shard);
        else if (!sound) this.#close(shard);
        // What a link that broke has swallowed of the signals.
        else this.#raiseFloor(shard, head);
      });
    } catch {
      // The link reports its own failures; the next check looks again.
    }
  }
}

function isSound(state: ShardState, row: LockedShard, floor: Position | undefined): boolean {
  const { head, lastEntry } = state;
  if (head === undefined || state.installation === undefined || state.restarted) return false;
  if (head.epoch !== row.issuedEpoch || head.seq < row.position.seq) return false;
  if (lastEntry !== undefined && isAfter(lastEntry, head)) return false;
  return floor === undefined || !isAfter(floor, head);
}
