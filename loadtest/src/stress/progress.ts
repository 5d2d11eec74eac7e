/** One line that moves on a terminal, and a line now and then where the output goes into a file. */
import type { WriteStream } from "node:tty";
import type { Sample } from "./watch.ts";

export interface Progress {
  show(sample: Sample, planned_s: number): void;
  end(): void;
}

const FILE_PERIOD_S = 5;
const BAR_CELLS = 20;

function line(sample: Sample, planned_s: number): string {
  const share = Math.min(1, sample.elapsed_s / planned_s);
  const bar = "█".repeat(Math.round(share * BAR_CELLS)).padEnd(BAR_CELLS, "░");
  const n = (value: number): string => value.toLocaleString("en-GB");
  const figures = [
    `received ${n(sample.received)}`,
    `stored ${n(sample.unique_processed)}`,
    `duplicates ${n(sample.duplicate_dropped)}`,
    `queued ${n(sample.queued)}`,
  ];
  return `${bar} ${Math.floor(sample.elapsed_s)}/${planned_s} s  ${figures.join("  ")}`;
}

export function progressOn(stream: WriteStream): Progress {
  let shown_s = Number.NEGATIVE_INFINITY;
  return {
    show(sample, planned_s) {
      if (stream.isTTY) {
        // Carriage return and "erase to the end of the line" (ECMA-48 EL): the next figure may be shorter.
        stream.write(`\r${line(sample, planned_s)}\u001b[K`);
      } else if (sample.elapsed_s - shown_s >= FILE_PERIOD_S) {
        shown_s = sample.elapsed_s;
        stream.write(`${line(sample, planned_s)}\n`);
      }
    },
    end() {
      if (stream.isTTY) {
        stream.write("\n");
      }
    },
  };
}
