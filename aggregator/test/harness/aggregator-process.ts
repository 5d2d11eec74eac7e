/**
 * One aggregator as a process of its own: started from source, or from the compiled binary that `SEKALI_BINARY` names.
 * It is told everything by its environment and asked everything over HTTP, like in production; the tests hold only
 * what an operating system holds: its signals, its exit code and its log.
 */
import { appendFileSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { freePort } from "@sekali/native";
import type { Subprocess } from "bun";
import { eventually, within } from "./eventually.ts";

const MAIN = join(import.meta.dir, "..", "..", "src", "main.ts");
const BINARY = process.env["SEKALI_BINARY"];

/** Folder in which every process's whole log is kept, for looking at a failure. */
const LOG_FOLDER = process.env["SEKALI_TEST_LOGS"];

/** The program's command line: `arguments_` is a subcommand and its options. */
export function commandLine(...arguments_: string[]): string[] {
  return BINARY === undefined ? [process.execPath, MAIN, ...arguments_] : [BINARY, ...arguments_];
}

/** Only what a process needs to run: the tester's own DATABASE_URL must not reach it. */
export function environment(over: Record<string, string>): Record<string, string> {
  const { PATH = "", HOME = "", TMPDIR = "/tmp" } = process.env;
  return { PATH, HOME, TMPDIR, ...over };
}

export interface Place {
  /** For what an operator gives it: a name in logs and messages. */
  readonly name?: string;
  /** Another port than a free one, to come back where a predecessor listened. */
  readonly port?: number;
  /** Another program than the one under test everywhere. */
  readonly binary?: string | undefined;
}

const living = new Set<Subprocess>();
process.on("exit", () => {
  for (const child of living) child.kill("SIGKILL");
});

const READY_MS_MAX = 30_000;
const EXIT_MS_MAX = 20_000;
const LOG_LINES_MAX = 20_000;

export class AggregatorProcess {
  readonly log: string[] = [];
  readonly url: string;
  readonly #child: Subprocess<"ignore", "pipe", "pipe">;

  readonly port: number;
  readonly #name: string;

  private constructor(port: number, env: Record<string, string>, name: string, command: string[]) {
    this.port = port;
    this.#name = name;
    this.url = `${env["TLS_CERT_FILE"] === undefined ? "http" : "https"}://127.0.0.1:${port}`;
    this.#child = Bun.spawn(command, {
      env: environment({ HOST: "127.0.0.1", PORT: String(port), ...env }),
      stdin: "ignore",
      stdout: "pipe",
      stderr: "pipe",
    });
    living.add(this.#child);
    void this.#child.exited.then(() => living.delete(this.#child));
    void this.#collect(this.#child.stdout);
    void this.#collect(this.#child.stderr);
  }

  /** Starts the process; it may need a while until it is ready. */
  static async spawn(env: Record<string, string>, place: Place = {}): Promise<AggregatorProcess> {
    const { name = "aggregator", port = await freePort(), binary } = place;
    const command = binary === undefined ? commandLine("serve") : [binary, "serve"];
    return new AggregatorProcess(port, env, name, command);
  }

  get pid(): number {
    return this.#child.pid;
  }

  /** What it has in memory; undefined where the machine does not tell. */
  get residentBytes(): number | undefined {
    try {
      const kibibytes = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${this.pid}/status`, "utf8"))?.[1];
      return kibibytes === undefined ? undefined : Number(kibibytes) * 1024;
    } catch {
      return undefined;
    }
  }

  /** The exit code; 128 and the signal's number when a signal ended it. */
  get exited(): Promise<number> {
    return this.#child.exited;
  }

  get isRunning(): boolean {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  async ready(milliseconds = READY_MS_MAX): Promise<this> {
    await eventually(
      async () => {
        if (!this.isRunning) throw new Error(`it has ended:\n${this.tail()}`);
        const reply = await fetch(`${this.url}/readyz`, {
          signal: AbortSignal.timeout(2_000),
          keepalive: false,
          tls: { rejectUnauthorized: false },
        });
        if (reply.status !== 200) throw new Error(`/readyz says ${reply.status}: ${await reply.text()}`);
      },
      { within: milliseconds, what: `readiness of ${this.#name}` },
    );
    return this;
  }

  /** SIGKILL; returns when the process is gone. */
  async kill(): Promise<void> {
    this.#child.kill("SIGKILL");
    await this.#child.exited;
  }

  /** SIGTERM; gives the exit code. */
  async terminate(): Promise<number> {
    this.#child.kill("SIGTERM");
    return await within(this.#child.exited, EXIT_MS_MAX, `the end of ${this.#name} after SIGTERM`);
  }

  /** SIGHUP: what lies in files is to be read again. */
  hangUp(): void {
    this.#child.kill("SIGHUP");
  }

  /** SIGSTOP: the process stands still with everything open. */
  pause(): void {
    this.#child.kill("SIGSTOP");
  }

  resume(): void {
    this.#child.kill("SIGCONT");
  }

  async logged(pattern: RegExp, milliseconds = 15_000): Promise<string> {
    return await eventually(
      () => {
        const line = this.log.find((candidate) => pattern.test(candidate));
        if (line === undefined) throw new Error(`no line like ${pattern} among ${this.log.length}:\n${this.tail()}`);
        return line;
      },
      { within: milliseconds, what: `a log line like ${pattern}` },
    );
  }

  /** The end of the log, for the message of a failure. */
  tail(lines = 15): string {
    return this.log.slice(-lines).join("\n");
  }

  async #collect(stream: ReadableStream<Uint8Array>): Promise<void> {
    const decoder = new TextDecoder();
    let rest = "";
    for await (const chunk of stream) {
      const lines = (rest + decoder.decode(chunk, { stream: true })).split("\n");
      rest = lines.pop() ?? "";
      this.#keep(lines);
    }
    if (rest !== "") this.#keep([rest]);
  }

  #keep(lines: string[]): void {
    this.log.push(...lines);
    if (this.log.length > LOG_LINES_MAX) this.log.splice(0, this.log.length - LOG_LINES_MAX);
    if (LOG_FOLDER !== undefined) {
      appendFileSync(join(LOG_FOLDER, `${this.#name}-${this.pid}.log`), lines.map((line) => `${line}\n`).join(""));
    }
  }
}
