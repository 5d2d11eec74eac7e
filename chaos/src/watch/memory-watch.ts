/** The largest resident memory of each aggregator while an episode runs. */
import type { Node } from "../stack/node.ts";

const POLL_MS = 250;

export class MemoryWatch {
  largestBytes = 0;
  readonly #nodes: readonly Node[];
  readonly #timer: ReturnType<typeof setInterval>;

  constructor(nodes: readonly Node[]) {
    this.#nodes = nodes;
    this.#timer = setInterval(() => this.#look(), POLL_MS);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  #look(): void {
    for (const node of this.#nodes) this.largestBytes = Math.max(this.largestBytes, node.residentBytes() ?? 0);
  }
}
