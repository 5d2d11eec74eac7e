/**
 * The worker loops of one process: control flow only.
 *
 * Start and stop are a contract: `stop` may be called at any time and more than once, and returns when no loop holds a
 * shard any more. A transaction that is under way is finished, because its outcome would otherwise be unknown.
 */
import type { Logger } from "../ops/log.ts";
import type { Position, Queue } from "../queue/port.ts";
import type { SignalHub } from "../queue/signal-hub.ts";
import type { BatchStore } from "../store/port.ts";
import type { DeliveryLog } from "./delivery-log.ts";
import { Dispatcher } from "./dispatcher.ts";
import { ShardWorker, type Stuck } from "./shard-worker.ts";

/** The net under the signals: heads are compared with what was last committed. Costs one Redis pipeline, no SQL. */
const POLL_INTERVAL_MS = 1000;
/** Shards of processes that were configured otherwise are found at the latest after so many polls. */
const POLLS_PER_DISCOVERY = 30;

/** What a loop does now. */
export interface LoopState {
  /** The shard it works on; undefined: it waits for one. */
  readonly shard: number | undefined;
  /** Milliseconds since the Unix epoch. */
  readonly sinceMs: number;
}

export class WorkerPool {
  readonly #queue: Queue;
  readonly #store: BatchStore;
  readonly #log: Logger;
  readonly #deliveries: DeliveryLog;
  readonly #dispatcher = new Dispatcher();
  readonly #worker: ShardWorker;
  readonly #loops: Promise<void>[] = [];
  readonly #states: LoopState[] = [];
  #timer: ReturnType<typeof setInterval> | undefined;
  #polls = 0;
  #polling = false;

  constructor(queue: Queue, store: BatchStore, hub: SignalHub, log: Logger, deliveries: DeliveryLog) {
    this.#queue = queue;
    this.#store = store;
    this.#log = log;
    this.#deliveries = deliveries;
    this.#worker = new ShardWorker(queue, store, hub, log, deliveries);
    store.onConnectionLost(() => this.#worker.forgetStandings());
    hub.on((signal) => {
      if (signal.kind === "grown") this.#dispatcher.wake(signal.shard);
    });
    queue.link.onChange((state) => {
      if (state === "up") for (const shard of this.#dispatcher.shards) this.#dispatcher.wake(shard);
    });
  }

  get stuck(): readonly Stuck[] {
    return this.#worker.stuck;
  }

  /** Of each loop, in the order in which they were started. */
  get loops(): readonly LoopState[] {
    return this.#states;
  }

  start(loops: number): void {
    for (let i = 0; i < loops; i += 1) this.#loops.push(this.#run(i));
    this.#timer = setInterval(() => void this.#poll(), POLL_INTERVAL_MS);
    void this.#poll();
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer);
    this.#dispatcher.stop();
    await Promise.all(this.#loops);
  }

  async #run(loop: number): Promise<void> {
    for (;;) {
      this.#states[loop] = { shard: undefined, sinceMs: Date.now() };
      const shard = await this.#dispatcher.next();
      if (shard === undefined) return;
      this.#states[loop] = { shard, sinceMs: Date.now() };
      this.#dispatcher.done(shard, await this.#worker.work(shard));
    }
  }

  async #poll(): Promise<void> {
    this.#deliveries.flush();
    if (this.#polling || this.#queue.link.state !== "up") return;
    this.#polling = true;
    try {
      if (this.#polls % POLLS_PER_DISCOVERY === 0) await this.#discover();
      this.#polls += 1;
      const shards = this.#dispatcher.shards;
      const heads = shards.length === 0 ? [] : await this.#queue.heads(shards);
      shards.forEach((shard, index) => {
        const head = heads[index];
        const standing = this.#worker.lastSeen(shard);
        const isBehind = isAhead(head, standing);
        // A guess from before the epoch was issued, which no read that leads elsewhere would correct.
        if (isBehind && head?.epoch !== standing?.issuedEpoch) this.#worker.forgetStanding(shard);
        if (isBehind || this.#worker.needsTrim(shard)) this.#dispatcher.wake(shard);
      });
    } catch (error) {
      this.#log.debug({ reason: String(error) }, "Poll failed");
    } finally {
      this.#polling = false;
    }
  }

  async #discover(): Promise<void> {
    const known = new Set(this.#dispatcher.shards);
    for (const shard of (await this.#store.standings()).keys()) if (!known.has(shard)) this.#dispatcher.wake(shard);
  }
}

/** The seq decides, whatever the epoch: a new epoch that holds nothing yet is no work. */
function isAhead(head: Position | undefined, position: Position | undefined): boolean {
  return head !== undefined && head.seq > (position?.seq ?? -1);
}
