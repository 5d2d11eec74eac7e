/**
 * Where the consumers of one durable subscription wait at this process.
 *
 * They stand in line, and only the first one asks the store: a crowd of idle consumers costs one statement whenever
 * something was stored, not one each. Who was given something makes room for the next, who asks at once.
 *
 *   waiting ──turn comes──▶ asking ──events, or nothing and time is up──▶ answered
 *                             └──nothing yet──▶ rests until a shard moves, a lease may have run out, or a poll
 */
import type { Handout } from "../store/subscription-port.ts";

/** Between two statements of one subscription that gave nothing: signals come with every batch. */
const PACE_MS = 50;
/** The net under the signals, and the precision with which leases run out. */
const POLL_MS = 500;

/** Asks the store; undefined where there is no such subscription. */
export type Ask = () => Promise<Handout | undefined>;

const NOTHING: Handout = { events: [], isMoving: false };

export class Desk {
  #turn: Promise<unknown> = Promise.resolve();
  #wake: (() => void) | undefined;
  #waiting = 0;

  get isEmpty(): boolean {
    return this.#waiting === 0;
  }

  /** Something may have come. */
  rouse(): void {
    this.#wake?.();
  }

  /**
   * @param ask for this consumer, and for what it may have.
   * @param gone aborted when the consumer has gone, or its key has ended: from then on nothing is asked for it.
   * @param timeIsUp aborted when it has waited for long enough, or the process stops.
   * @returns undefined where there is no such subscription; an empty handout where nothing came in time.
   */
  next(ask: Ask, gone: AbortSignal, timeIsUp: AbortSignal): Promise<Handout | undefined> {
    this.#waiting += 1;
    const gaveUp = AbortSignal.any([gone, timeIsUp]);
    const turn = this.#turn.then(() => (gone.aborted ? NOTHING : this.#untilSome(ask, gaveUp)));
    this.#turn = turn.catch(() => undefined);
    return turn.finally(() => {
      this.#waiting -= 1;
    });
  }

  /** Asks at least once. */
  async #untilSome(ask: Ask, gaveUp: AbortSignal): Promise<Handout | undefined> {
    for (;;) {
      const handout = await ask();
      if (handout === undefined || handout.events.length > 0) return handout;
      if (gaveUp.aborted) return handout;
      if (!handout.isMoving) await this.#rest(gaveUp);
      if (gaveUp.aborted) return handout;
    }
  }

  async #rest(gaveUp: AbortSignal): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, POLL_MS);
    this.#wake = resolve;
    gaveUp.addEventListener("abort", () => resolve(), { once: true });
    await Promise.all([promise, Promise.race([Bun.sleep(PACE_MS), aborted(gaveUp)])]);
    this.#wake = undefined;
    clearTimeout(timer);
  }
}

function aborted(signal: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
}
