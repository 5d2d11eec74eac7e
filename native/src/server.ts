import { closeSync, openSync, readFileSync } from "node:fs";
import { descendantsOf, isAlive, killTree, signal, waitUntilGone } from "./processes.ts";
import { waitFor } from "./wait.ts";

/** A server that can be hurt and brought back. Calls must not overlap. */
export interface Server {
  readonly url: string;
  readonly port: number;
  /** Of the current run; it changes with each start. */
  readonly pid: number;
  /** SIGKILLs all its processes and returns when they are gone. The data stays as the crash left it. */
  kill(): Promise<void>;
  /** SIGSTOPs all its processes: its connections stay open, and nothing answers. */
  pause(): void;
  /** Lets paused processes go on. */
  resume(): void;
  /** Whether its process is there, paused or not. */
  readonly running: boolean;
  /** Ends it in good order. Data in a temporary folder goes with it. Does nothing where it has ended already. */
  stop(): Promise<void>;
  /** Starts it on the same port and data, and returns when it answers. Does nothing where it is running. */
  start(): Promise<void>;
  /** Ends it in good order and starts it again on the same data. */
  restart(): Promise<void>;
}

/** What the machinery below must know of one kind of server. */
export interface ServerKind {
  readonly name: string;
  readonly command: readonly string[];
  readonly env: Record<string, string>;
  readonly logFile: string;
  /** The signal that ends it in good order. */
  readonly stopSignal: NodeJS.Signals;
  /** Whether the process `pid` answers its clients. */
  ready(pid: number): boolean | Promise<boolean>;
}

const READY_MS_MAX = 60_000;
const LOG_TAIL_LINES = 15;

/** The life of one server process. */
export class ServerProcess {
  readonly #kind: ServerKind;
  #child: Bun.Subprocess | undefined;

  constructor(kind: ServerKind) {
    this.#kind = kind;
  }

  get pid(): number {
    if (this.#child === undefined) throw new Error(`${this.#kind.name} has never been started`);
    return this.#child.pid;
  }

  get running(): boolean {
    return this.#child !== undefined && this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async start(): Promise<void> {
    if (this.running) return;
    const log = openSync(this.#kind.logFile, "a");
    const child = Bun.spawn([...this.#kind.command], {
      env: this.#kind.env,
      stdin: "ignore",
      stdout: log,
      stderr: log,
    });
    closeSync(log);
    this.#child = child;
    child.unref(); // A server left behind must not keep the program that started it from ending.
    await waitFor(`${this.#kind.name} to answer (its log: ${this.#kind.logFile})`, READY_MS_MAX, () => {
      if (!this.running || !isAlive(child.pid))
        throw new Error(`${this.#kind.name} ended at start:\n${this.#logTail()}`);
      return this.#kind.ready(child.pid);
    });
  }

  async kill(): Promise<void> {
    if (this.#child === undefined || !this.running) return;
    await killTree(this.#child.pid);
    await this.#child.exited;
  }

  pause(): void {
    this.#signalAll("SIGSTOP");
  }

  resume(): void {
    this.#signalAll("SIGCONT");
  }

  #signalAll(name: NodeJS.Signals): void {
    if (this.#child === undefined || !this.running) return;
    // The parent comes first: paused, it has no more children; resumed, it finds those it had.
    for (const pid of [this.#child.pid, ...descendantsOf(this.#child.pid)]) signal(pid, name);
  }

  /** Sends the signal and waits for the process and its children. */
  async end(name: NodeJS.Signals = this.#kind.stopSignal): Promise<void> {
    if (this.#child === undefined || !this.running) return;
    const children = descendantsOf(this.#child.pid);
    signal(this.#child.pid, name);
    await waitUntilGone([this.#child.pid, ...children]);
    await this.#child.exited;
  }

  #logTail(): string {
    return readFileSync(this.#kind.logFile, "utf8").trimEnd().split("\n").slice(-LOG_TAIL_LINES).join("\n");
  }
}
