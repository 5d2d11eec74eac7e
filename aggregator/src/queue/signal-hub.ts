/**
 * Where the parts of one process tell each other, and hear from other processes, that a shard has changed.
 *
 * Signals are hints: they may come twice, late or not at all. Whoever acts on one looks for itself, and has a slow poll
 * as a net.
 */
import type { Position } from "./port.ts";

export type Signal =
  /** Entries were added, and this is the head since. Older versions don't say the head. */
  | { readonly kind: "grown"; readonly shard: number; readonly head: Position | undefined }
  /** A worker has committed up to this position. */
  | { readonly kind: "moved"; readonly shard: number; readonly position: Position }
  /** Redis is in a later epoch than Postgres has issued, which has gone back: the shard is to be taken up. */
  | { readonly kind: "ahead"; readonly shard: number };

export class SignalHub {
  readonly #listeners: ((signal: Signal) => void)[] = [];

  on(listener: (signal: Signal) => void): void {
    this.#listeners.push(listener);
  }

  emit(signal: Signal): void {
    for (const listener of this.#listeners) listener(signal);
  }
}
