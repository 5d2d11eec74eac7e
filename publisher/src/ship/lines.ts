/**
 * Bytes into lines, each with its place in the file and the digest of everything up to it. No I/O.
 *
 * The digest is a chain: digest(line k) = SHA-256(digest(line k−1) ‖ bytes of line k), and 32 zero bytes before the
 * first. The line's end is no part of it, so a last line without one keeps its digest when the end is written later.
 * Of an overlong line only the first `lineBytesMax` bytes are held; the digest covers all of it, so the limit can be
 * changed without changing any identity. Memory: one line of at most `lineBytesMax` bytes.
 */
const NEWLINE = 0x0a;

export const DIGEST_BYTES = 32;

export type Line = {
  /** Without the newline; cut to `lineBytesMax`. Valid only until the splitter is asked for the next line. */
  readonly bytes: Uint8Array;
  /** Without the newline, before it was cut. */
  readonly byteLength: number;
  /** What the line takes up in the file: with its newline, where it has one. */
  readonly fileBytes: number;
  /** From 1. */
  readonly number: number;
  /** Of the line's first byte in the file, from 0. */
  readonly offset: number;
  readonly digest: Uint8Array;
};

export class LineSplitter {
  readonly #lineBytesMax: number;
  #digest: Uint8Array = new Uint8Array(DIGEST_BYTES);
  #lineOffset = 0;
  #lineNumber = 1;
  /** The line that has begun and not ended: its first bytes, its length so far, and its digest so far. */
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #partLength = 0;
  #partHasher: Bun.CryptoHasher | undefined;

  constructor(lineBytesMax: number) {
    this.#lineBytesMax = lineBytesMax;
  }

  /** Bytes of a line that has begun and not ended. */
  get pendingBytes(): number {
    return this.#partLength;
  }

  /** The lines that end within `chunk`. The rest is copied, so the chunk may be overwritten when this has returned. */
  *push(chunk: Uint8Array): Generator<Line, void, void> {
    let from = 0;
    for (let end = chunk.indexOf(NEWLINE); end !== -1; end = chunk.indexOf(NEWLINE, from)) {
      yield this.#complete(chunk.subarray(from, end), 1);
      from = end + 1;
    }
    if (from < chunk.byteLength) this.#hold(chunk.subarray(from));
  }

  /** The last line, where it has no newline and no more bytes will come. */
  finish(): Line | undefined {
    return this.#partLength === 0 ? undefined : this.#complete(new Uint8Array(0), 0);
  }

  #hold(bytes: Uint8Array): void {
    this.#partHasher ??= new Bun.CryptoHasher("sha256").update(this.#digest);
    this.#partHasher.update(bytes);
    this.#partLength += bytes.byteLength;
    const kept = bytes.slice(0, this.#lineBytesMax - this.#heldBytes);
    if (kept.byteLength === 0) return;
    this.#held.push(kept);
    this.#heldBytes += kept.byteLength;
  }

  #complete(rest: Uint8Array, newlineBytes: 0 | 1): Line {
    const hasher = this.#partHasher ?? new Bun.CryptoHasher("sha256").update(this.#digest);
    const digest = new Uint8Array(hasher.update(rest).digest());
    const byteLength = this.#partLength + rest.byteLength;
    const line: Line = {
      bytes: this.#bytesWith(rest),
      byteLength,
      fileBytes: byteLength + newlineBytes,
      number: this.#lineNumber,
      offset: this.#lineOffset,
      digest,
    };
    this.#digest = digest;
    this.#lineOffset += line.fileBytes;
    this.#lineNumber += 1;
    this.#held = [];
    this.#heldBytes = 0;
    this.#partLength = 0;
    this.#partHasher = undefined;
    return line;
  }

  #bytesWith(rest: Uint8Array): Uint8Array {
    const room = rest.subarray(0, this.#lineBytesMax - this.#heldBytes);
    return this.#held.length === 0 ? room : Buffer.concat([...this.#held, room]);
  }
}
