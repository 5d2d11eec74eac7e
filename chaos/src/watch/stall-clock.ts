/**
 * A clock that stands still while this program itself gets no processor. The harness stands on every link, so what it
 * sleeps through, its aggregators can't answer in: on a machine that is busy with something else, times are measured
 * without that, and how much it was is in the report.
 */
const TICK_MS = 20;
/** A tick that comes later than this was no tick: nobody was there to make it. */
const LATE_MS = 60;

export class StallClock {
  /** How long this program stood still, all together and at most at once. */
  stalledMs = 0;
  longestStallMs = 0;
  #last: number;
  readonly #now: () => number;
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(now: () => number = () => performance.now()) {
    this.#now = now;
    this.#last = now();
    this.#timer = setInterval(() => this.tick(), TICK_MS);
  }

  /** Milliseconds during which this program ran. */
  now(): number {
    this.tick();
    return this.#now() - this.stalledMs;
  }

  tick(): void {
    const now = this.#now();
    const late = now - this.#last - LATE_MS;
    this.#last = now;
    if (late <= 0) return;
    this.stalledMs += late;
    this.longestStallMs = Math.max(this.longestStallMs, late);
  }

  stop(): void {
    clearInterval(this.#timer);
  }
}
