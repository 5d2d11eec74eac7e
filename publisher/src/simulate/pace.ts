/**
 * How many events are due, by a clock that never goes back. Pure.
 *
 * A timer asked for every millisecond fires late, and each time a little more; a pace that counts its firings runs
 * slow. This one asks the clock what is due, so lateness is made up for by the next look. What could not be begun
 * waits, up to `waitingMax`; past it ticks are skipped, and counted, so that a target that can't keep up is neither
 * flooded later nor hidden.
 */
export class Pace {
  readonly #tickMs: number;
  readonly #waitingMax: number;
  readonly #startMs: number;
  #ticks = 0;
  #waiting = 0;
  #skipped = 0;

  constructor(options: { tickMs: number; waitingMax: number; startMs: number }) {
    this.#tickMs = options.tickMs;
    this.#waitingMax = options.waitingMax;
    this.#startMs = options.startMs;
  }

  /** Ticks that are due and not begun. */
  get waiting(): number {
    return this.#waiting;
  }

  /** Ticks that were due and will never be begun. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Looks at the clock. */
  advance(nowMs: number): void {
    const due = Math.max(this.#ticks, Math.floor((nowMs - this.#startMs) / this.#tickMs));
    const waiting = this.#waiting + (due - this.#ticks);
    this.#ticks = due;
    this.#waiting = Math.min(waiting, this.#waitingMax);
    this.#skipped += waiting - this.#waiting;
  }

  /** Takes one tick that is due; false where none is. */
  take(): boolean {
    if (this.#waiting === 0) return false;
    this.#waiting -= 1;
    return true;
  }

  /** From now until the next tick is due; 0 where it is overdue. */
  untilNextMs(nowMs: number): number {
    return Math.max(0, this.#startMs + (this.#ticks + 1) * this.#tickMs - nowMs);
  }
}
