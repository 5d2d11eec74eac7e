/**
 * The log: one JSON line an event of note, on standard output.
 *
 * ERROR means that something was lost or that an operator must act. Values are JSON-encoded, so no content of an event
 * can forge a line. Lines that come once a batch or once a delivery go through a `Throttle`, so that a flood of
 * duplicates can't drown the service: past its limit a second they are counted, and the count is logged.
 */
import pino from "pino";
import type { LogLevel } from "../config.ts";

export type Logger = pino.Logger;

export function createLogger(level: LogLevel): Logger {
  return pino(
    {
      level,
      base: null,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }) },
    },
    harmless(pino.destination({ fd: 1, sync: true })),
  );
}

/**
 * JSON leaves DEL and the C1 controls as they are, and a terminal takes some of them for the beginning of a command.
 */
function harmless(destination: { write(line: string): unknown }): pino.DestinationStream {
  const controls = /[\u007f-\u009f\u2028\u2029]/g;
  const toEscape = (character: string) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
  return {
    write(line) {
      destination.write(line.replace(controls, toEscape));
    },
  };
}

type ThrottledLevel = "debug" | "info" | "warn" | "error";

/** Lets so many lines a second of one message through, and says how many it left out. */
export class Throttle {
  readonly #log: Logger;
  readonly #level: ThrottledLevel;
  readonly #message: string;
  readonly #linesPerSecondMax: number;
  readonly #now: () => number;
  #second = 0;
  #written = 0;
  #leftOut = 0;

  /** @param now milliseconds since the Unix epoch. */
  constructor(log: Logger, level: ThrottledLevel, message: string, linesPerSecondMax: number, now = Date.now) {
    this.#log = log;
    this.#level = level;
    this.#message = message;
    this.#linesPerSecondMax = linesPerSecondMax;
    this.#now = now;
  }

  get isEnabled(): boolean {
    return this.#log.isLevelEnabled(this.#level);
  }

  /** How many lines the current second still takes. */
  get room(): number {
    this.#turn();
    return this.isEnabled ? this.#linesPerSecondMax - this.#written : 0;
  }

  write(fields: object): void {
    if (this.room > 0) {
      this.#written += 1;
      this.#log[this.#level](fields, this.#message);
    } else {
      this.#leftOut += 1;
    }
  }

  /** Counts lines that were never made because there was no room for them. */
  leaveOut(lines: number): void {
    this.#turn();
    if (lines > 0) this.#leftOut += lines;
  }

  /** Says what was left out in a second that has ended; to be called now and then, so that the last count comes out. */
  flush(): void {
    this.#turn();
  }

  #turn(): void {
    const second = Math.floor(this.#now() / 1000);
    if (second === this.#second) return;
    const leftOut = this.#leftOut;
    this.#second = second;
    this.#written = 0;
    this.#leftOut = 0;
    if (leftOut > 0) this.#log[this.#level]({ left_out: leftOut }, `${this.#message}: further lines left out`);
  }
}
