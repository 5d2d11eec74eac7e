/**
 * Inputs that end: a file as it is, and a stream (stdin, a pipe).
 *
 * Both hand over line by line and read no further while the taker is busy. Both end early when `stopping` aborts or the
 * taker has had enough, and say so. A last line without a newline counts: nothing will be added to it.
 */
import { constants } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import type { Readable } from "node:stream";
import { type Line, LineSplitter } from "./lines.ts";

export type LineTaker = {
  /** Resolves when there is room for the next line. */
  take(line: Line, referenceMs: number): Promise<void>;
  /** True when no more lines are wanted. */
  isClosed(): boolean;
};

export type InputEnd = {
  /** The input was read to its end. */
  readonly isComplete: boolean;
  /** Bytes of a last line that has begun, not ended, and was left. */
  readonly pendingBytes: number;
};

/** The input can't be read: the caller named something that is not there or not readable. */
export class InputError extends Error {
  override readonly name = "InputError";
}

/** What one read asks for; also what one round of the reader holds. */
export const READ_BYTES = 256 * 1024;

export async function openInput(path: string): Promise<FileHandle> {
  try {
    // Opening a FIFO waits for its writer, as every reader of one does.
    const handle = await open(path, constants.O_RDONLY);
    const stat = await handle.stat();
    if (!stat.isDirectory()) return handle;
    await handle.close();
  } catch (error) {
    throw new InputError(`cannot read ${path}: ${error instanceof Error ? error.message : "unknown reason"}`);
  }
  throw new InputError(`cannot read ${path}: it is a directory`);
}

export async function readFileLines(
  handle: FileHandle,
  lineBytesMax: number,
  taker: LineTaker,
  stopping: AbortSignal,
): Promise<InputEnd> {
  const splitter = new LineSplitter(lineBytesMax);
  const buffer = new Uint8Array(READ_BYTES);
  const referenceMs = (await handle.stat()).mtimeMs;
  for (let offset = 0; ; ) {
    const chunk = await readAt(handle, buffer, offset);
    if (offset === 0) refuseForeign(chunk);
    if (chunk.byteLength === 0) return await finish(splitter, taker, referenceMs);
    offset += chunk.byteLength;
    const hasMore = await hand(splitter, chunk, taker, referenceMs, stopping);
    if (!hasMore) return { isComplete: false, pendingBytes: splitter.pendingBytes };
  }
}

/**
 * What there is from an offset on; empty at the end.
 * @throws InputError where the disk, or what stands for one, gives an error.
 */
export async function readAt(handle: FileHandle, buffer: Uint8Array, offset: number): Promise<Uint8Array> {
  try {
    const { bytesRead } = await handle.read(buffer, 0, buffer.byteLength, offset);
    return buffer.subarray(0, bytesRead);
  } catch (error) {
    throw new InputError(`cannot read on from byte ${offset}: ${error instanceof Error ? error.message : "unknown"}`);
  }
}

export async function readStreamLines(
  stream: Readable,
  lineBytesMax: number,
  taker: LineTaker,
  stopping: AbortSignal,
): Promise<InputEnd> {
  const splitter = new LineSplitter(lineBytesMax);
  const cancel = (): void => {
    stream.destroy();
  };
  stopping.addEventListener("abort", cancel, { once: true });
  try {
    let isBeginning = true;
    for await (const chunk of stream) {
      if (isBeginning) refuseForeign(chunk as Uint8Array);
      isBeginning = false;
      const isWanted = await hand(splitter, chunk as Uint8Array, taker, Date.now(), stopping);
      if (!isWanted) return { isComplete: false, pendingBytes: splitter.pendingBytes };
    }
  } catch (error) {
    if (error instanceof InputError) throw error;
    if (!stopping.aborted)
      throw new InputError(`cannot read on: ${error instanceof Error ? error.message : "unknown"}`);
  } finally {
    stopping.removeEventListener("abort", cancel);
  }
  if (stopping.aborted) return { isComplete: false, pendingBytes: splitter.pendingBytes };
  return await finish(splitter, taker, Date.now());
}

/** Hands over the lines of a chunk; false where the taker or the caller wants no more. */
export async function hand(
  splitter: LineSplitter,
  chunk: Uint8Array,
  taker: LineTaker,
  referenceMs: number,
  stopping: AbortSignal,
): Promise<boolean> {
  for (const line of splitter.push(chunk)) {
    await taker.take(line, referenceMs);
    if (stopping.aborted || taker.isClosed()) return false;
  }
  return !stopping.aborted;
}

async function finish(splitter: LineSplitter, taker: LineTaker, referenceMs: number): Promise<InputEnd> {
  const last = splitter.finish();
  if (last !== undefined) await taker.take(last, referenceMs);
  return { isComplete: true, pendingBytes: 0 };
}

/** How files begin, in hexadecimal, that are no lines of UTF-8, and what makes such lines of them. */
const FOREIGN: readonly (readonly [beginning: RegExp, what: string, remedy: string])[] = [
  [/^1f8b/, "compressed", "zcat FILE"],
  [/^28b52ffd/, "compressed", "zstdcat FILE"],
  [/^fd377a58/, "compressed", "xzcat FILE"],
  [/^425a683[1-9]314159265359/, "compressed", "bzcat FILE"],
  [/^(?:fffe[0-9a-f]{2}00|feff00)/, "UTF-16", "iconv -f UTF-16 -t UTF-8 FILE"],
];
const BEGINNING_BYTES = 10;

/** Their bytes split at newlines are no lines of anything. */
function refuseForeign(head: Uint8Array): void {
  const beginning = Buffer.from(head.subarray(0, BEGINNING_BYTES)).toString("hex");
  const [, what, remedy] = FOREIGN.find(([pattern]) => pattern.test(beginning)) ?? [];
  if (what !== undefined) throw new InputError(`the input is ${what}; try: ${remedy} | publisher ship - …`);
}
