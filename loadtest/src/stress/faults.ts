/** Ends, kills and pauses the processes of a stack while it is under load, by a timetable, and brings them back. */
import { setTimeout as sleep } from "node:timers/promises";
import type { Fault } from "../../k6/profiles.ts";
import type { RunningStack } from "../stack/own-stack.ts";
import type { Companion, Findings } from "./companion.ts";
import type { Check } from "./recount.ts";

const PAST_TENSE = { terminate: "ended with TERM", kill: "killed", pause: "stood still" } as const;
/** P5: work goes on within this time of a dependency's return; the service itself must not need longer. */
const RECOVERY_S_MAX = 15;

interface Done {
  readonly fault: Fault;
  readonly away_s: number;
  /** Of the process that ended in order. */
  readonly exit_code: number | undefined;
}

export class Faults implements Companion {
  readonly #stack: RunningStack;
  readonly #timetable: readonly Fault[];
  readonly #signal: AbortSignal;
  readonly #done: Done[] = [];
  #running: Promise<void> | undefined;

  constructor(stack: RunningStack, timetable: readonly Fault[], signal: AbortSignal) {
    this.#stack = stack;
    this.#timetable = timetable;
    this.#signal = signal;
  }

  begin(): void {
    const began = performance.now();
    this.#running = (async () => {
      for (const fault of this.#timetable) {
        const wait_ms = Math.max(0, fault.at_s * 1_000 - (performance.now() - began));
        await sleep(wait_ms, undefined, { signal: this.#signal });
        this.#done.push(await this.#inflict(fault));
      }
    })();
    // Whoever awaits `end` is told; until then a failure must not end the process.
    this.#running.catch(() => {});
  }

  async #inflict(fault: Fault): Promise<Done> {
    const program = this.#stack.program(fault.process);
    const began = performance.now();
    let exit_code: number | undefined;
    if (fault.what === "pause") {
      program.signal("SIGSTOP");
      await Bun.sleep(fault.for_s * 1_000);
      program.signal("SIGCONT");
    } else {
      if (fault.what === "kill") {
        await program.kill();
      } else {
        exit_code = await program.stop();
      }
      await Bun.sleep(fault.for_s * 1_000);
      await this.#stack.startAgain(fault.process);
    }
    return { fault, away_s: (performance.now() - began) / 1_000, exit_code };
  }

  async end(): Promise<Findings> {
    await this.#running;
    const checks: Check[] = [
      {
        name: "faults that were inflicted",
        expected: String(this.#timetable.length),
        found: String(this.#done.length),
        passed: this.#done.length === this.#timetable.length,
      },
    ];
    const ended = this.#done.filter(({ exit_code }) => exit_code !== undefined);
    if (ended.length > 0) {
      const codes = [...new Set(ended.map(({ exit_code }) => exit_code))].join(", ");
      checks.push({ name: "exit code after TERM", expected: "0", found: codes, passed: codes === "0" });
    }
    const returned = this.#done.filter(({ fault }) => fault.what !== "pause");
    if (returned.length > 0) {
      const longest = Math.max(...returned.map(({ fault, away_s }) => away_s - fault.for_s));
      checks.push({
        name: "back and ready",
        expected: `within ${RECOVERY_S_MAX} s`,
        found: `after ${longest.toFixed(1)} s at most`,
        passed: longest <= RECOVERY_S_MAX,
      });
    }
    const told = this.#done.map(({ fault, away_s }) => `${PAST_TENSE[fault.what]} (${away_s.toFixed(1)} s)`);
    return { checks, facts: [["faults", told.join(", ")]] };
  }
}
