/** A deque with room for `max`: what comes in at one end pushes out the oldest at the other. */
export class Recent<T> {
  readonly #max: number;
  readonly #items: T[] = [];
  #oldest = 0;

  constructor(max: number) {
    this.#max = max;
  }

  get size(): number {
    return this.#items.length;
  }

  push(item: T): void {
    if (this.#items.length < this.#max) {
      this.#items.push(item);
      return;
    }
    this.#items[this.#oldest] = item;
    this.#oldest = (this.#oldest + 1) % this.#max;
  }

  /** Any order will do for those who choose at random. */
  at(index: number): T | undefined {
    return this.#items[index];
  }
}
