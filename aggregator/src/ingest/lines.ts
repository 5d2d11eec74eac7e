/**
 * Cuts a stream of bytes into lines, and hands them over in chunks of bounded size.
 *
 * A chunk is handed over when it is full, when the stream ends, or when nothing has arrived for a moment: who sends
 * a line now and then has each queued soon, though the request goes on.
 */

export interface ChunkBounds {
  readonly linesMax: number;
  /** A chunk is full once it has so many; a longer line is a chunk by itself. */
  readonly bytesMax: number;
  readonly lineBytesMax: number;
}

export interface LinesChunk {
  /** The index in the stream of the first line, from 0. */
  readonly first: number;
  /** Without their line ends. What follows the last line end is a line if there is anything. */
  readonly lines: readonly Uint8Array[];
}

/** A line is longer than a line may be. */
export class LineTooLong extends Error {
  override readonly name = "LineTooLong";
  /** From 0. */
  readonly index: number;

  constructor(index: number) {
    super(`line ${index + 1} is too long`);
    this.index = index;
  }
}

const SILENCE_MS_MAX = 200;
const LINE_FEED = 0x0a;
const CARRIAGE_RETURN = 0x0d;

/**
 * @param faultOf what to throw where the stream fails.
 * @throws LineTooLong as soon as one is. A chunk that is not full is given up with its stream.
 */
export async function* chunksOfLines(
  stream: ReadableStream<Uint8Array>,
  bounds: ChunkBounds,
  faultOf: (error: unknown) => Error,
): AsyncGenerator<LinesChunk, void> {
  const reader = stream.getReader();
  const cutter = new Cutter(bounds);
  const read = () =>
    reader.read().catch((error: unknown) => {
      throw faultOf(error);
    });
  try {
    for (let reading = read(); ; ) {
      const piece = cutter.isEmpty ? await reading : await unlessSilent(reading);
      if (piece === undefined) {
        yield cutter.take();
        continue;
      }
      if (piece.done) break;
      yield* cutter.cut(piece.value);
      reading = read();
    }
    cutter.end();
    if (!cutter.isEmpty) yield cutter.take();
  } finally {
    // Whoever stops early wants nothing of what is left.
    reader.cancel().catch(() => undefined);
  }
}

class Cutter {
  readonly #bounds: ChunkBounds;
  #lines: Uint8Array[] = [];
  #bytes = 0;
  #first = 0;
  /** The pieces of a line whose end has not come yet. */
  #open: Uint8Array[] = [];
  #openBytes = 0;

  constructor(bounds: ChunkBounds) {
    this.#bounds = bounds;
  }

  get isEmpty(): boolean {
    return this.#lines.length === 0;
  }

  *cut(piece: Uint8Array): Generator<LinesChunk, void> {
    let start = 0;
    for (let end = piece.indexOf(LINE_FEED); end >= 0; end = piece.indexOf(LINE_FEED, start)) {
      this.#extend(piece.subarray(start, end));
      this.#close();
      start = end + 1;
      if (this.#lines.length >= this.#bounds.linesMax || this.#bytes >= this.#bounds.bytesMax) yield this.take();
    }
    if (start < piece.length) this.#extend(piece.subarray(start));
  }

  end(): void {
    if (this.#openBytes > 0) this.#close();
  }

  take(): LinesChunk {
    const chunk = { first: this.#first, lines: this.#lines };
    this.#first += this.#lines.length;
    this.#lines = [];
    this.#bytes = 0;
    return chunk;
  }

  #extend(part: Uint8Array): void {
    this.#openBytes += part.length;
    if (this.#openBytes > this.#bounds.lineBytesMax) throw new LineTooLong(this.#first + this.#lines.length);
    this.#open.push(part);
  }

  #close(): void {
    const [only] = this.#open;
    const whole = only !== undefined && this.#open.length === 1 ? only : Buffer.concat(this.#open);
    const line = whole.at(-1) === CARRIAGE_RETURN ? whole.subarray(0, -1) : whole;
    this.#lines.push(line);
    this.#bytes += this.#openBytes;
    this.#open = [];
    this.#openBytes = 0;
  }
}

/** What was read, or undefined where nothing came for a moment; the reading goes on then. */
async function unlessSilent<T>(reading: Promise<T>): Promise<T | undefined> {
  const { promise: silence, resolve } = Promise.withResolvers<undefined>();
  const timer = setTimeout(resolve, SILENCE_MS_MAX, undefined);
  try {
    return await Promise.race([reading, silence]);
  } finally {
    clearTimeout(timer);
  }
}
