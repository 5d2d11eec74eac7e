/**
 * Follows a path as a log is written, rotated and truncated, until it is told to stop.
 *
 * A *tail* is one open file with the offset up to which it was read. The newest tail is the file that stands at the
 * path. Two loops share the list of tails:
 *
 * - The watcher looks at the path. Another file there (another device or inode) means rotation: it is opened at once,
 *   also while the reader waits for a slow aggregator, so that a file which is rotated away twice in an outage is
 *   still read.
 * - The reader takes what was appended to each tail, oldest first, and is the only one that closes any.
 *
 * Rotation: programs write to the old file until they are told to reopen, so an old tail is read on until nothing was
 * added to it for `rotatedIdleMs`; then its last line counts as complete and it is closed. Truncation (also
 * copytruncate): the file is shorter than what was read, or the bytes before the offset are no longer those that were
 * read, which finds a file that was cut and has grown past the offset since. It is read again from its beginning. What
 * was written between the last look and the cut is in nobody's hands; the log says so. A line that is not complete
 * waits for its end. At the stop it is left, and taken by the next run.
 */
import { type FileHandle, open, stat } from "node:fs/promises";
import { pause } from "@sekali/client/wire";
import type { Logger } from "../log.ts";
import { hand, type InputEnd, type LineTaker, READ_BYTES, readAt } from "./input.ts";
import { LineSplitter } from "./lines.ts";

export type FollowSettings = {
  readonly path: string;
  readonly lineBytesMax: number;
  readonly pollIntervalMs: number;
  readonly rotatedIdleMs: number;
};

type Tail = {
  readonly handle: FileHandle;
  readonly device: number;
  readonly inode: number;
  splitter: LineSplitter;
  offset: number;
  /** The last bytes before `offset`, as they were read. */
  before: Uint8Array;
  lastGrowthMs: number;
};

/** Open files are bounded; more rotations than this within `rotatedIdleMs` are no rotation but a fault. */
const TAILS_MAX = 16;

/** Enough to hold a timestamp, which is what makes the end of one log differ from another's. */
const BEFORE_BYTES = 256;

export async function followLines(
  first: FileHandle,
  settings: FollowSettings,
  taker: LineTaker,
  log: Logger,
  stopping: AbortSignal,
): Promise<InputEnd> {
  const follower = new Follower(settings, taker, log, stopping);
  return await follower.run(first);
}

class Follower {
  readonly #settings: FollowSettings;
  readonly #taker: LineTaker;
  readonly #log: Logger;
  readonly #stopping: AbortSignal;
  readonly #buffer = new Uint8Array(READ_BYTES);
  readonly #ended = new AbortController();
  /** Oldest first. */
  readonly #tails: Tail[] = [];

  constructor(settings: FollowSettings, taker: LineTaker, log: Logger, stopping: AbortSignal) {
    this.#settings = settings;
    this.#taker = taker;
    this.#log = log;
    this.#stopping = stopping;
  }

  async run(first: FileHandle): Promise<InputEnd> {
    this.#tails.push(await startTail(first, this.#settings.lineBytesMax));
    const watching = this.#watch();
    try {
      await this.#read();
    } finally {
      this.#ended.abort();
      await watching;
    }
    return await this.#end();
  }

  async #watch(): Promise<void> {
    while (!this.#ended.signal.aborted) {
      await this.#look();
      await pause(this.#settings.pollIntervalMs, this.#ended.signal);
    }
  }

  async #look(): Promise<void> {
    const { path } = this.#settings;
    try {
      const found = await stat(path);
      const newest = this.#tails.at(-1);
      if (newest?.device === found.dev && newest.inode === found.ino) return;
      this.#tails.push(await startTail(await open(path, "r"), this.#settings.lineBytesMax));
      this.#log.info({ path }, "rotated: following the new file, and the old one until it is quiet");
    } catch (error) {
      // Between the rename and the new file there is nothing at the path.
      if ((error as { code?: unknown }).code === "ENOENT") return;
      this.#log.warn({ path, reason: error instanceof Error ? error.message : "unknown" }, "cannot look at the path");
    }
  }

  async #read(): Promise<void> {
    while (!this.#isDone()) {
      let hasGrown = false;
      for (const tail of [...this.#tails]) {
        if (await this.#readTail(tail)) hasGrown = true;
        if (this.#isDone()) return;
        await this.#retire(tail);
      }
      if (!hasGrown) await pause(this.#settings.pollIntervalMs, this.#stopping);
    }
  }

  #isDone(): boolean {
    return this.#stopping.aborted || this.#taker.isClosed();
  }

  /** True where there was something to read. */
  async #readTail(tail: Tail): Promise<boolean> {
    const { size, mtimeMs } = await tail.handle.stat();
    if (size === tail.offset) return false;
    if (size < tail.offset || !(await isContinued(tail))) await this.#startOver(tail, size, mtimeMs);
    for (;;) {
      const chunk = await readAt(tail.handle, this.#buffer, tail.offset);
      if (chunk.byteLength === 0) return true;
      tail.offset += chunk.byteLength;
      tail.before = lastBytes(tail.before, chunk);
      tail.lastGrowthMs = performance.now();
      if (!(await hand(tail.splitter, chunk, this.#taker, mtimeMs, this.#stopping))) return true;
    }
  }

  async #startOver(tail: Tail, size: number, referenceMs: number): Promise<void> {
    const about = { path: this.#settings.path, read_bytes: tail.offset, size_bytes: size };
    this.#log.warn(about, "truncated: reading it from its beginning; lines added just before the cut may be missing");
    const last = tail.splitter.finish();
    if (last !== undefined) await this.#taker.take(last, referenceMs);
    tail.splitter = new LineSplitter(this.#settings.lineBytesMax);
    tail.offset = 0;
    tail.before = new Uint8Array(0);
  }

  async #retire(tail: Tail): Promise<void> {
    if (tail === this.#tails.at(-1)) return;
    const isQuiet = performance.now() - tail.lastGrowthMs >= this.#settings.rotatedIdleMs;
    const isCrowded = this.#tails.length > TAILS_MAX && tail === this.#tails[0];
    if (!isQuiet && !isCrowded) return;
    if (isCrowded) this.#log.warn({ path: this.#settings.path, open_files_max: TAILS_MAX }, "closing the oldest file");
    await this.#close(tail);
  }

  /** An old file's last line is as complete as it will be, provided that all of the file was read. */
  async #close(tail: Tail): Promise<void> {
    this.#tails.splice(this.#tails.indexOf(tail), 1);
    const { size, mtimeMs } = await tail.handle.stat();
    if (size === tail.offset && !this.#taker.isClosed()) {
      const last = tail.splitter.finish();
      if (last !== undefined) await this.#taker.take(last, mtimeMs);
    } else {
      const about = { path: this.#settings.path, unread_bytes: size - tail.offset };
      this.#log.warn(about, "stopped before a rotated file was read to its end: ship it under its new name");
    }
    await tail.handle.close();
  }

  async #end(): Promise<InputEnd> {
    const newest = this.#tails.pop();
    for (const tail of [...this.#tails]) await this.#close(tail);
    await newest?.handle.close();
    return { isComplete: !this.#taker.isClosed(), pendingBytes: newest?.splitter.pendingBytes ?? 0 };
  }
}

async function startTail(handle: FileHandle, lineBytesMax: number): Promise<Tail> {
  const { dev, ino } = await handle.stat();
  return {
    handle,
    device: dev,
    inode: ino,
    splitter: new LineSplitter(lineBytesMax),
    offset: 0,
    before: new Uint8Array(0),
    lastGrowthMs: performance.now(),
  };
}

async function isContinued(tail: Tail): Promise<boolean> {
  const length = tail.before.byteLength;
  const now = await readAt(tail.handle, new Uint8Array(length), tail.offset - length);
  return now.byteLength === length && Buffer.compare(now, tail.before) === 0;
}

function lastBytes(before: Uint8Array, chunk: Uint8Array): Uint8Array {
  if (chunk.byteLength >= BEFORE_BYTES) return chunk.slice(-BEFORE_BYTES);
  return new Uint8Array(Buffer.concat([before, chunk])).slice(-BEFORE_BYTES);
}
