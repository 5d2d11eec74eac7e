/**
 * One connection that follows: what waits for it, and how it ends.
 *
 * Chunks are handed over when the connection asks for more, which it does as far as its client reads. What waits
 * meanwhile is bounded: past the bound it is thrown away, and the stream ends with the cursor of the last chunk that
 * was handed over, from which the client may come back. Chunks are shared between subscribers of the same patterns.
 */
import { type EndReason, encodeEnd, encodeHeartbeat } from "./event-stream.ts";

/** Three seconds of 1,000 events/s; about as much again lies in the buffers of the two kernels. */
const BACKLOG_BYTES_MAX = 1024 * 1024;

interface Chunk {
  readonly bytes: Uint8Array;
  /** The cursor up to which the client has everything once it has this. */
  readonly id: string;
}

export class Subscriber {
  /** Patterns: events whose topic matches one of them. */
  readonly topics: readonly string[];
  readonly stream: ReadableStream<Uint8Array>;
  /** Where the subscriber stands when nothing waits for it. */
  place: () => string;
  readonly #ended = new AbortController();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #waiting: Chunk[] = [];
  #waitingBytes = 0;
  #handedId: string;
  #isQuiet = true;
  /** Set while the connection asks for a chunk and there is none. */
  #wanted: (() => void) | undefined;
  #drained: (() => void) | undefined;

  constructor(topics: readonly string[], opening: Uint8Array, id: string) {
    this.topics = topics;
    this.place = () => id;
    this.#handedId = id;
    this.stream = new ReadableStream<Uint8Array>(
      {
        start: (controller) => {
          this.#controller = controller;
        },
        pull: () => this.#pull(),
        cancel: () => this.close(),
      },
      { highWaterMark: 0 },
    );
    this.push(opening, id);
  }

  /** Aborted when the stream has ended, for whatever reason. */
  get ended(): AbortSignal {
    return this.#ended.signal;
  }

  /** Hands a chunk over, or keeps it until it is asked for. */
  push(bytes: Uint8Array, id: string): void {
    if (this.ended.aborted) return;
    // A single chunk may be larger than the bound: an event has to get through.
    if (this.#waiting.length > 0 && this.#waitingBytes + bytes.length > BACKLOG_BYTES_MAX) {
      this.end("slow");
      return;
    }
    this.#isQuiet = false;
    this.#waiting.push({ bytes, id });
    this.#waitingBytes += bytes.length;
    if (this.#wanted !== undefined) this.#handOver();
  }

  /** Says that the stream is alive, unless something else has said so since the last time. */
  beat(): void {
    if (this.#isQuiet && this.#waiting.length === 0) this.push(encodeHeartbeat(this.place()), this.place());
    this.#isQuiet = true;
  }

  /** Resolves when nothing waits for the client any more, or the stream has ended. */
  drained(): Promise<void> {
    if (this.#waiting.length === 0 || this.ended.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      this.#drained = resolve;
    });
  }

  /** Ends the stream with the cursor to come back with. What still waits is thrown away: it comes again then. */
  end(reason: EndReason): void {
    if (this.ended.aborted) return;
    const id = this.#waiting.length > 0 ? this.#handedId : this.place();
    this.#waiting = [{ bytes: encodeEnd(id, reason), id }];
    this.#waitingBytes = 0;
    this.#ended.abort();
    if (this.#wanted !== undefined) this.#handOver();
    this.#drained?.();
  }

  /** The client has gone. */
  close(): void {
    this.#waiting = [];
    this.#ended.abort();
    this.#wanted?.();
    this.#drained?.();
  }

  #pull(): Promise<void> | void {
    if (this.#waiting.length > 0) {
      this.#handOver();
      return;
    }
    if (this.ended.aborted) return;
    return new Promise((resolve) => {
      this.#wanted = resolve;
    });
  }

  #handOver(): void {
    const chunk = this.#waiting.shift();
    if (chunk === undefined) return;
    this.#waitingBytes -= chunk.bytes.length;
    this.#handedId = chunk.id;
    this.#controller?.enqueue(chunk.bytes);
    if (this.#waiting.length === 0) {
      if (this.ended.aborted) this.#controller?.close();
      this.#drained?.();
      this.#drained = undefined;
    }
    const wanted = this.#wanted;
    this.#wanted = undefined;
    wanted?.();
  }
}
