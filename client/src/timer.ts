/**
 * Timers that wait for as long as they are told. A platform's own hold 24 days: what is longer, an `Infinity` that
 * means "never" or a `Retry-After` of a year, they make a millisecond of.
 */
const TIMER_MS_MAX = 2 ** 31 - 1;

/** @param ms longer than 24 days is 24 days: nothing of this package outlives that without a word from elsewhere. */
export function after(ms: number, work: () => void): ReturnType<typeof setTimeout> {
  return setTimeout(work, Math.min(ms, TIMER_MS_MAX));
}
