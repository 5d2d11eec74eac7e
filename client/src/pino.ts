/**
 * A transport for pino: `pino.transport({ target: "@sekali/client/pino", options: { url, topic: "app.{level}" } })`.
 *
 * It runs in a worker thread of pino's. It never slows the application down and never throws into it: when the buffer
 * is full because the service is away, records are dropped, counted, and reported on standard error. At the end of the
 * process pino waits until what is in the buffer is delivered, at most `closeTimeoutMs`.
 */
import { writeSync } from "node:fs";
import type { Transform } from "node:stream";
import { topicTemplateFault } from "@sekali/contract/topic-template";
import build from "pino-abstract-transport";
import { createPublisher, type PublisherOptions } from "./index.ts";
import { eventOfLine } from "./pino-record.ts";

export interface PinoOptions extends Pick<PublisherOptions, "url" | "source" | "batch" | "requestTimeoutMs" | "retry"> {
  /** Options of a transport travel to a thread, so it is a text: `process.env.SEKALI_KEY`, say. */
  readonly key?: string | undefined;
  /** A template: `{level}` is the level's name, any other name a field of the record. `log.{level}` unless given. */
  readonly topic?: string | undefined;
  /** Records held while the service is away: 50,000 and 64 MiB unless given. */
  readonly buffer?: { readonly eventsMax?: number; readonly bytesMax?: number } | undefined;
  /** 5 s unless given. Pino itself waits for no longer than 10. */
  readonly closeTimeoutMs?: number | undefined;
  /** Whether to say on standard error what was dropped. It does unless this is false. */
  readonly report?: boolean | undefined;
}

const TOPIC_DEFAULT = "log.{level}";
const BUFFER_DEFAULT = { eventsMax: 50_000, bytesMax: 64 * 1024 * 1024 };
const CLOSE_TIMEOUT_MS_DEFAULT = 5000;
const CLOSE_TIMEOUT_MS_MAX = 9000;
const STANDARD_ERROR = 2;
const REPORT_INTERVAL_MS = 10_000;
/** A record is retried for as long as there is room for it: nobody else would. */
const RETRY_DEFAULT = { elapsedMsMax: Number.MAX_SAFE_INTEGER };

/** @throws TypeError or RangeError where an option can't be: pino reports it when the process starts */
export default function sekaliTransport(options: PinoOptions): object {
  const { topic = TOPIC_DEFAULT, source, closeTimeoutMs = CLOSE_TIMEOUT_MS_DEFAULT, report, ...rest } = options;
  const fault = topicTemplateFault(topic);
  if (fault !== undefined) throw new TypeError(`the topic ${topic} ${fault}`);
  const losses = new Losses(report !== false);
  const publisher = createPublisher({
    ...rest,
    buffer: { ...BUFFER_DEFAULT, ...options.buffer },
    retry: { ...RETRY_DEFAULT, ...options.retry },
    onUndelivered: (error) => losses.add(error.message),
  });
  const parseLine = (line: string): object => ({ line });
  const close = async (): Promise<void> => {
    await publisher.close({ timeoutMs: Math.min(closeTimeoutMs, CLOSE_TIMEOUT_MS_MAX) });
    losses.tell();
  };
  return build(
    (records: Transform) => {
      records.on("data", ({ line }: { line: string }) => {
        if (line.trim() === "") return;
        try {
          publisher.enqueue(eventOfLine(line, { topic, source }));
        } catch (error) {
          losses.add(error instanceof Error ? error.message : String(error));
        }
      });
    },
    { parseLine, close, metadata: false },
  );
}

/** Records that were not delivered: the first is told at once, the others from time to time, by their number. */
class Losses {
  readonly #isTold: boolean;
  #count = 0;
  #reason = "";
  #toldAtMs = Number.NEGATIVE_INFINITY;

  constructor(isTold: boolean) {
    this.#isTold = isTold;
  }

  add(reason: string): void {
    this.#count += 1;
    this.#reason = reason;
    if (performance.now() - this.#toldAtMs >= REPORT_INTERVAL_MS) this.tell();
  }

  tell(): void {
    if (this.#count === 0 || !this.#isTold) return;
    const text = `sekali: ${this.#count} log records were not delivered: ${this.#reason}\n`;
    this.#count = 0;
    this.#toldAtMs = performance.now();
    try {
      // A thread's own stream goes through the main thread, which waits for this one at the end of the process.
      writeSync(STANDARD_ERROR, text);
    } catch {
      // Nobody reads it, or not fast enough: the application must not suffer for that.
    }
  }
}
