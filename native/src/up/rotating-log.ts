import { appendFileSync, mkdirSync, renameSync, statSync } from "node:fs";
import { dirname } from "node:path";

export interface RotationBounds {
  /** A file that would grow past this is put aside first. */
  readonly file_bytes_max: number;
  /** How many older files are kept: `x.log.1` is the youngest. */
  readonly files_kept: number;
}

const BOUNDS: RotationBounds = { file_bytes_max: 10 * 1024 * 1024, files_kept: 2 };

/** Appends to a log file and keeps it, with its predecessors, within bounds. */
export class RotatingLog {
  readonly #file: string;
  readonly #bounds: RotationBounds;
  #bytes: number;

  constructor(file: string, bounds: RotationBounds = BOUNDS) {
    this.#file = file;
    this.#bounds = bounds;
    mkdirSync(dirname(file), { recursive: true });
    this.#bytes = statSync(file, { throwIfNoEntry: false })?.size ?? 0;
  }

  write(chunk: Uint8Array): void {
    if (this.#bytes > 0 && this.#bytes + chunk.byteLength > this.#bounds.file_bytes_max) this.#rotate();
    appendFileSync(this.#file, chunk);
    this.#bytes += chunk.byteLength;
  }

  #rotate(): void {
    for (let age = this.#bounds.files_kept; age > 0; age--) {
      const from = age === 1 ? this.#file : `${this.#file}.${age - 1}`;
      if (statSync(from, { throwIfNoEntry: false }) !== undefined) renameSync(from, `${this.#file}.${age}`);
    }
    this.#bytes = 0;
  }
}
