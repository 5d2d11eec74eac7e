/** The progress bar on a terminal, and log lines that don't run through it. */
import { Presets, SingleBar } from "cli-progress";
import type { Tally } from "./tally.ts";

export type Progress = {
  advance(fileBytes: number, tally: Tally): void;
  stop(): void;
};

export const noProgress: Progress = { advance: () => {}, stop: () => {} };

const MEBIBYTE = 1024 * 1024;

/** Counts bytes of the file that are settled: acknowledged, or refused by name. */
export function createProgressBar(stream: NodeJS.WriteStream, totalBytes: number): Progress {
  const bar = new SingleBar(
    {
      stream,
      clearOnComplete: false,
      hideCursor: true,
      format: "{bar} {percentage}% | {mib} MiB | {acknowledged} acknowledged | {duplicates} duplicates | {duration}s",
    },
    Presets.shades_classic,
  );
  let settledBytes = 0;
  bar.start(totalBytes, 0, { mib: 0, acknowledged: 0, duplicates: 0 });
  return {
    advance(fileBytes, tally) {
      settledBytes += fileBytes;
      // A file that grows while it is shipped holds more than it did at first.
      if (settledBytes > bar.getTotal()) bar.setTotal(settledBytes);
      const { acknowledged, duplicates } = tally;
      bar.update(settledBytes, { mib: Math.round(settledBytes / MEBIBYTE), acknowledged, duplicates });
    },
    stop: () => bar.stop(),
  };
}

/** Clears the bar's line before each log line; the bar draws itself again below. */
export function besideProgress(stream: NodeJS.WriteStream): { write(line: string): void } {
  return { write: (line) => stream.write(`\r\u001B[2K${line}`) };
}
