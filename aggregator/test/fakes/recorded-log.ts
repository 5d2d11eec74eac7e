/** A logger whose lines a test can read. */
import pino from "pino";
import type { LogLevel } from "../../src/config.ts";
import type { Logger } from "../../src/ops/log.ts";

export type Line = Readonly<Record<string, unknown>> & { readonly level: string; readonly msg: string };

export interface RecordedLog {
  readonly log: Logger;
  readonly lines: Line[];
  /** The lines of one level. */
  at(level: LogLevel): Line[];
}

export function recordedLog(level: LogLevel = "debug"): RecordedLog {
  const lines: Line[] = [];
  const log = pino(
    { level, base: null, timestamp: false, formatters: { level: (label) => ({ level: label }) } },
    { write: (text: string) => void lines.push(JSON.parse(text)) },
  );
  return { log, lines, at: (wanted) => lines.filter((line) => line.level === wanted) };
}
