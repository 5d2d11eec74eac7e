/** Runs the publisher as a process of its own, from source, as `make` and the container run it. */
import type { Subprocess } from "bun";

const MAIN = new URL("../src/main.ts", import.meta.url).pathname;

export type Running = {
  readonly process: Subprocess<"pipe", "pipe", "pipe">;
  /** Resolves when the process has ended. */
  readonly ended: Promise<Ended>;
};

export type Ended = { readonly code: number; readonly stdout: string; readonly stderr: string };

export function startPublisher(
  args: readonly string[],
  options: { env?: Record<string, string>; command?: readonly string[] } = {},
): Running {
  const command = options.command ?? [process.execPath, MAIN];
  const child = Bun.spawn([...command, ...args], {
    stdin: "pipe",
    stdout: "pipe",
    stderr: "pipe",
    env: { PATH: process.env["PATH"] ?? "", ...options.env },
  });
  const ended = Promise.all([child.exited, new Response(child.stdout).text(), new Response(child.stderr).text()]).then(
    ([code, stdout, stderr]) => ({ code, stdout, stderr }),
  );
  return { process: child, ended };
}

export async function runPublisher(
  args: readonly string[],
  options: { env?: Record<string, string>; command?: readonly string[]; stdin?: string | Uint8Array } = {},
): Promise<Ended> {
  const running = startPublisher(args, options);
  if (options.stdin !== undefined) running.process.stdin.write(options.stdin);
  running.process.stdin.end();
  return await running.ended;
}

/** The log lines of a run. */
export function logLines(text: string): Record<string, unknown>[] {
  return text
    .split("\n")
    .filter((line) => line.startsWith("{"))
    .map((line) => JSON.parse(line) as Record<string, unknown>);
}
