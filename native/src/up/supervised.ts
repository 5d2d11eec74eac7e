/**
 * One service under supervision. What Compose's `restart: unless-stopped` does, this does: a process that ends without
 * having been told to is started again, after a pause that doubles with each failure and starts anew once a run has
 * lasted.
 *
 *   resting ──start──▶ running ──ends by itself──▶ waiting ──pause over──▶ running
 *      ▲                  │                           │
 *      └──────────────── stop ◀───────────────────────┘
 */
import { descendantsOf, killTree, signal, waitUntilGone } from "../processes.ts";
import { waitFor } from "../wait.ts";
import type { RotatingLog } from "./rotating-log.ts";
import { markOf, type ServiceState } from "./state.ts";

export interface Service {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Record<string, string | undefined>;
  readonly stopSignal: NodeJS.Signals;
  /** After this long without obeying the signal it is killed. */
  readonly grace_ms: number;
  /** Whether the process `pid` does its work. */
  ready(pid: number): boolean | Promise<boolean>;
}

export interface Restarts {
  readonly pause_ms_min: number;
  readonly pause_ms_max: number;
  /** A run that lasted this long was no failure of the start. */
  readonly steady_ms: number;
}

export const RESTARTS: Restarts = { pause_ms_min: 250, pause_ms_max: 5_000, steady_ms: 20_000 };

const READY_MS_MAX = 120_000;
const DRAIN_MS_MAX = 1_000;

export class Supervised {
  readonly service: Service;
  readonly #log: RotatingLog;
  readonly #restarts: Restarts;
  readonly #changed: () => void;
  #child: Bun.Subprocess<"ignore", "pipe", "pipe"> | undefined;
  #pause: Timer | undefined;
  #wanted = false;
  #ended = 0;
  #failures = 0;
  #lastEnd: string | undefined;

  /** `changed` is called whenever `state()` would give another answer. */
  constructor(service: Service, log: RotatingLog, changed: () => void, restarts: Restarts = RESTARTS) {
    this.service = service;
    this.#log = log;
    this.#changed = changed;
    this.#restarts = restarts;
  }

  state(): ServiceState {
    const mark = this.#child === undefined ? undefined : markOf(this.#child.pid);
    return { process: mark, ended: this.#ended, last_end: this.#lastEnd };
  }

  /** Starts it and returns when it is ready; if it ends before that, it is started again in the meantime. */
  async start(): Promise<void> {
    this.#wanted = true;
    this.#run();
    await waitFor(`${this.service.name} to be ready`, READY_MS_MAX, () => {
      if (!this.#wanted) return true;
      return this.#child !== undefined && this.service.ready(this.#child.pid);
    });
  }

  /** Ends it in good order, or, past its grace, by force. Does nothing where it isn't running. */
  async stop(): Promise<void> {
    this.#wanted = false;
    clearTimeout(this.#pause);
    const child = this.#child;
    if (child === undefined) return;
    const all = [child.pid, ...descendantsOf(child.pid)];
    signal(child.pid, this.service.stopSignal);
    await waitUntilGone(all, this.service.grace_ms).catch(async () => {
      this.#say(`did not end within ${this.service.grace_ms} ms and is killed`);
      await killTree(child.pid);
    });
    await child.exited;
  }

  #run(): void {
    const began = performance.now();
    const child = Bun.spawn([...this.service.command], {
      env: this.service.env,
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    this.#child = child;
    this.#say(`started as process ${child.pid}`);
    const drained = Promise.all([this.#keep(child.stdout), this.#keep(child.stderr)]);
    void child.exited.then(async () => {
      // A grandchild that lives on may hold the pipes open; its service must not wait for it.
      await Promise.race([drained, Bun.sleep(DRAIN_MS_MAX)]);
      this.#child = undefined;
      this.#onEnd(String(child.signalCode ?? `exit code ${child.exitCode}`), performance.now() - began);
    });
    this.#changed();
  }

  #onEnd(how: string, lasted_ms: number): void {
    if (!this.#wanted) {
      this.#say(`stopped (${how})`);
      this.#changed();
      return;
    }
    this.#ended += 1;
    this.#lastEnd = how;
    this.#failures = lasted_ms >= this.#restarts.steady_ms ? 0 : this.#failures + 1;
    const pause_ms = pauseAfter(this.#failures, this.#restarts);
    this.#say(`ended by itself (${how}) and is started again in ${pause_ms} ms`);
    this.#pause = setTimeout(() => this.#run(), pause_ms);
    this.#changed();
  }

  async #keep(output: ReadableStream<Uint8Array>): Promise<void> {
    for await (const chunk of output) this.#log.write(chunk);
  }

  #say(what: string): void {
    this.#log.write(new TextEncoder().encode(`${new Date().toISOString()} supervisor: ${this.service.name} ${what}\n`));
  }
}

/** The pause before the next start, after that many failed ones in a row. */
export function pauseAfter(failures: number, { pause_ms_min, pause_ms_max }: Restarts): number {
  return Math.min(pause_ms_max, pause_ms_min * 2 ** Math.max(0, failures - 1));
}
