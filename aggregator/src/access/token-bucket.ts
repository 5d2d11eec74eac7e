/**
 * How many events a key may publish: a token bucket, which holds `burst` tokens and gains `rate` of them a second.
 *
 * A request is let in whole as soon as there is a token, and takes one for each of its events; what it takes beyond
 * what is there is a debt, and nothing more is let in until that is paid. So a batch larger than the burst waits for no
 * more than a small one does, the rate holds over time, and at any one moment it is exceeded by the burst and one
 * request at most. Each process has its own bucket for a key.
 */
import type { KeyQuota } from "../store/key-port.ts";

/** Sums of fractions are off by less than this. */
const ROUNDING_MS = 0.001;

/** The key's own quota is used up for the moment. */
export class OverQuota extends Error {
  override readonly name = "OverQuota";
  readonly waitMs: number;

  constructor(waitMs: number) {
    super(`over quota for ${waitMs} ms`);
    this.waitMs = waitMs;
  }
}

export class TokenBucket {
  readonly #quota: KeyQuota;
  readonly #now: () => number;
  #tokens: number;
  #filledAtMs: number;

  /** @param now monotonic milliseconds. */
  constructor(quota: KeyQuota, now: () => number) {
    this.#quota = quota;
    this.#now = now;
    this.#tokens = quota.burst;
    this.#filledAtMs = now();
  }

  /** Takes nothing. @throws OverQuota where `take` would. */
  requireRoom(): void {
    const nowMs = this.#now();
    const { rate, burst } = this.#quota;
    this.#tokens = Math.min(burst, this.#tokens + ((nowMs - this.#filledAtMs) / 1000) * rate);
    this.#filledAtMs = nowMs;
    const waitMs = Math.ceil(((1 - this.#tokens) / rate) * 1000 - ROUNDING_MS);
    if (waitMs > 0) throw new OverQuota(waitMs);
  }

  /** @throws OverQuota, and takes nothing. */
  take(events: number): void {
    this.requireRoom();
    this.#tokens -= events;
  }

  /** What was taken for events that were refused for another reason. */
  giveBack(events: number): void {
    this.#tokens = Math.min(this.#quota.burst, this.#tokens + events);
  }
}
