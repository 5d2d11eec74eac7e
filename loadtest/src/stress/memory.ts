/** Looks at how much memory the aggregators of a stack take while they are under load. */
import { residentMib } from "../stack/cost.ts";
import type { RunningStack } from "../stack/own-stack.ts";
import type { Companion, Findings } from "./companion.ts";

const POLL_MS = 200;

export class Memory implements Companion {
  readonly #stack: RunningStack;
  readonly #growth_mib_max: number;
  readonly #rest: number[];
  readonly #peak: number[];
  #timer: ReturnType<typeof setInterval> | undefined;

  /** Looks at once: this is what the processes take at rest. */
  constructor(stack: RunningStack, growth_mib_max: number) {
    this.#stack = stack;
    this.#growth_mib_max = growth_mib_max;
    this.#rest = this.#now();
    this.#peak = [...this.#rest];
  }

  /** Nothing where the system does not say (`/proc` is Linux's). */
  #now(): number[] {
    return this.#stack.programs.flatMap(({ pid }) => residentMib(pid)?.now ?? []);
  }

  #look(): void {
    this.#now().forEach((mib, index) => {
      this.#peak[index] = Math.max(this.#peak[index] ?? 0, mib);
    });
  }

  begin(): void {
    this.#timer = setInterval(() => this.#look(), POLL_MS);
  }

  async end(): Promise<Findings> {
    clearInterval(this.#timer);
    if (this.#rest.length === 0) {
      return { checks: [], facts: [["memory", "this system does not say"]] };
    }
    const now = this.#now();
    const told = this.#rest.map((rest, index) => {
      const [peak = Number.NaN, after = Number.NaN] = [this.#peak[index], now[index]];
      return `${rest.toFixed(0)} MiB at rest, ${peak.toFixed(0)} at most, ${after.toFixed(0)} afterwards`;
    });
    const growth = Math.max(...this.#rest.map((rest, index) => (this.#peak[index] ?? Number.NaN) - rest));
    const check = {
      name: "growth of an aggregator's memory",
      expected: `${this.#growth_mib_max} MiB at most`,
      found: `${growth.toFixed(0)} MiB`,
      passed: growth <= this.#growth_mib_max,
    };
    return { checks: [check], facts: [["memory", told.join("; ")]] };
  }
}
