/**
 * Random choices that a seed repeats. Whoever needs choices of their own, undisturbed by what others draw meanwhile,
 * makes a `Draw` from a seed of their own.
 */

const SEED_BITS = 32;

/** Mulberry32, by Tommy Ettinger (public domain): small, seeded, and good enough to draw test data. */
function generator(start: number): () => number {
  let state = start >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** SEED_BITS;
  };
}

export class Draw {
  /** A number in [0, 1). */
  readonly random: () => number;

  constructor(seed: number) {
    this.random = generator(seed);
  }

  /** An integer in [low, high]. */
  integer(low: number, high: number): number {
    return low + Math.floor(this.random() * (high - low + 1));
  }

  pick<T>(from: readonly T[]): T {
    const drawn = from[this.integer(0, from.length - 1)];
    if (drawn === undefined) throw new Error("cannot pick from nothing");
    return drawn;
  }

  shuffled<T>(items: readonly T[]): T[] {
    return items
      .map((item) => ({ item, rank: this.random() }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ item }) => item);
  }

  /** A UUIDv4. */
  uuid(): string {
    const bytes = Array.from({ length: 16 }, () => this.integer(0, 255));
    bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
    bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
    const hex = bytes.map((byte) => byte.toString(16).padStart(2, "0")).join("");
    return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
  }

  /** Choices of somebody else, who is disturbed by nothing that is drawn here afterwards. */
  fork(): Draw {
    return new Draw(this.seed());
  }

  /** A seed for somebody else's choices. */
  seed(): number {
    return Math.floor(this.random() * 2 ** SEED_BITS);
  }
}
