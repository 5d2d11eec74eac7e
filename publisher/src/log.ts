/** Structured logs, one JSON line for each thing of note. ERROR means that an event was lost or somebody must act. */
import pino, { type DestinationStream, type Logger } from "pino";

export type { Logger } from "pino";

export const LOG_LEVELS = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;
export type LogLevel = (typeof LOG_LEVELS)[number];

/**
 * Written synchronously: a reader that falls behind slows the publisher down instead of filling its memory, and no line
 * is left in a buffer when the process ends. (Pino's transports need worker threads with files of their own, which a
 * single binary doesn't have.)
 */
export function createLogger(level: LogLevel, destination: DestinationStream): Logger {
  return pino(
    {
      level,
      base: { program: "publisher" },
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    destination,
  );
}

/** `onBroken` is called when nobody reads any more (`publisher | head`): pino itself would fall silent and go on. */
export function standardOutput(onBroken: () => void): DestinationStream {
  return pino.destination({ fd: 1, sync: true }).on("error", onBroken);
}

export function standardError(): DestinationStream {
  return pino.destination({ fd: 2, sync: true });
}

/** Lets one through in each interval, and tells it how many went before it in silence. */
export class LogLimit {
  readonly #intervalMs: number;
  #openAtMs = 0;
  #leftOut = 0;

  constructor(intervalMs: number) {
    this.#intervalMs = intervalMs;
  }

  /** The number that was left out since the last one, or undefined where this one is to be left out too. */
  admit(nowMs: number): number | undefined {
    if (nowMs < this.#openAtMs) {
      this.#leftOut += 1;
      return undefined;
    }
    const leftOut = this.#leftOut;
    this.#openAtMs = nowMs + this.#intervalMs;
    this.#leftOut = 0;
    return leftOut;
  }
}
