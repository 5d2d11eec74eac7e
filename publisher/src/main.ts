/**
 * The composition root: the only place that reads the environment, handles signals and exits.
 *
 * Everything below it gets what it needs as arguments, and returns a result; the exit code is worked out here.
 */
import type { Acknowledgement } from "@sekali/client";
import { KeyError, readKey } from "@sekali/client/key";
import { createTransport, type Transport } from "@sekali/client/wire";
import { type Command, CommanderError } from "commander";
import { buildProgram, type CommonSettings, EXIT, type ShipCommand, type SimulateCommand } from "./cli.ts";
import { checkHealth } from "./healthcheck.ts";
import { createLogger, type Logger, LogLimit, standardError, standardOutput } from "./log.ts";
import { InputError } from "./ship/input.ts";
import { besideProgress } from "./ship/progress.ts";
import { type ShipResult, ship } from "./ship/ship.ts";
import { summaryText } from "./ship/summary.ts";
import { emptyTally, isWhole, type Tally } from "./ship/tally.ts";
import { createShutdown, type Shutdown } from "./shutdown.ts";
import { simulate } from "./simulate/simulate.ts";
import { createWorld } from "./simulate/world.ts";

/** By convention 128 and the signal's number. */
const SIGNAL_EXIT = { SIGINT: 130, SIGTERM: 143 } as const;
type StopSignal = keyof typeof SIGNAL_EXIT;

const RETRY_REPORT_INTERVAL_MS = 1000;

let exitCode: number = EXIT.fine;

function handleSignals(shutdown: Shutdown): void {
  for (const signal of Object.keys(SIGNAL_EXIT) as StopSignal[]) {
    process.on(signal, () => {
      if (shutdown.stopping.aborted) process.exit(SIGNAL_EXIT[signal]);
      shutdown.begin(signal);
    });
  }
}

async function connect(
  settings: CommonSettings,
  ack: Acknowledgement,
  log: Logger,
  onRetry: () => void,
): Promise<Transport> {
  const { SEKALI_KEY, SEKALI_KEY_FILE } = process.env;
  const key = await readKey({ SEKALI_KEY, SEKALI_KEY_FILE });
  const limit = new LogLimit(RETRY_REPORT_INTERVAL_MS);
  const { target, requestTimeoutMs, retry } = settings;
  return createTransport({
    target,
    ack,
    requestTimeoutMs,
    retry,
    key,
    onRetry: ({ attempt, delayMs, status, reason }) => {
      onRetry();
      const leftOut = limit.admit(performance.now());
      if (leftOut === undefined) return;
      log.warn({ attempt, delay_ms: delayMs, status, reason, left_out: leftOut }, "trying again");
    },
  });
}

async function runSimulate(command: SimulateCommand): Promise<void> {
  const shutdown = createShutdown(command.stopTimeoutMs);
  handleSignals(shutdown);
  const log = createLogger(
    command.logLevel,
    standardOutput(() => shutdown.begin("SIGPIPE")),
  );
  const seed = command.seed ?? crypto.getRandomValues(new Uint32Array(1))[0] ?? 0;
  const { tickIntervalMs, inFlightMax, count, duplicateRatio, uuidVersion } = command;
  const world = createWorld({ seed, duplicateRatio, uuidVersion });
  const about = { target: command.target.href, tick_interval_ms: tickIntervalMs, duplicate_ratio: duplicateRatio };
  log.info({ ...about, seed, uuid_version: uuidVersion, count }, "simulating");
  const client = await connect(command, "queued", log, () => {});
  const { summary, wasUnreachable } = await simulate(
    { tickIntervalMs, inFlightMax, count },
    world,
    client,
    log,
    shutdown,
  );
  log.info(summary, "SUMMARY");
  if (wasUnreachable) {
    log.fatal({ target: command.target.href }, "the target could not be reached");
    exitCode = EXIT.unreachable;
  } else if (summary.refused + summary.given_up > 0) {
    exitCode = EXIT.failure;
  }
}

async function runShip(command: ShipCommand): Promise<void> {
  const terminal = command.progress && process.stderr.isTTY ? process.stderr : undefined;
  const log = createLogger(command.logLevel, terminal === undefined ? standardError() : besideProgress(terminal));
  const shutdown = createShutdown(command.stopTimeoutMs);
  handleSignals(shutdown);
  const tally = emptyTally();
  const startMs = performance.now();
  const client = await connect(command, "stored", log, () => {
    tally.requests_retried += 1;
  });
  let result: ShipResult = { isComplete: false, halted: undefined };
  try {
    result = await ship(command, { client, log, shutdown, stdin: process.stdin, terminal, tally });
  } catch (error) {
    if (!(error instanceof InputError)) throw error;
    log.fatal(error.message);
    exitCode = EXIT.input;
  }
  if (!isWhole(tally)) throw new Error(`lines are missing in the sums: ${JSON.stringify(tally)}`);
  const seconds = Math.round(performance.now() - startMs) / 1000;
  const summary = { ...tally, complete: result.isComplete, halted: result.halted, seconds };
  process.stdout.write(`${command.json ? JSON.stringify(summary) : summaryText(command.file, summary)}\n`);
  if (exitCode === EXIT.fine) exitCode = shipExitCode(tally, result, client, shutdown, command.follow);
}

function shipExitCode(
  tally: Tally,
  result: ShipResult,
  client: Transport,
  shutdown: Shutdown,
  isFollowing: boolean,
): number {
  const signal = shutdown.stopping.aborted ? (shutdown.stopping.reason as StopSignal) : undefined;
  if (result.halted !== undefined && signal === undefined && !client.hasAnswered()) return EXIT.unreachable;
  if (tally.refused + tally.given_up + tally.unsent > 0) return EXIT.failure;
  if (signal !== undefined && !isFollowing && !result.isComplete) return SIGNAL_EXIT[signal];
  return EXIT.fine;
}

async function runHealthcheck(target: URL): Promise<void> {
  const { kind, detail } = await checkHealth(target);
  (kind === "ready" ? process.stdout : process.stderr).write(`${detail}\n`);
  exitCode = { ready: EXIT.fine, not_ready: EXIT.failure, unreachable: EXIT.unreachable }[kind];
}

/** Compose hands on an unset variable as an empty one. */
function dropEmptyVariables(program: Command): void {
  for (const option of program.commands.flatMap((command) => command.options)) {
    if (option.envVar !== undefined && process.env[option.envVar] === "") delete process.env[option.envVar];
  }
}

try {
  const program = buildProgram({ simulate: runSimulate, ship: runShip, healthcheck: runHealthcheck });
  dropEmptyVariables(program);
  await program.parseAsync(process.argv);
} catch (error) {
  if (error instanceof CommanderError) {
    // Commander has written what there is to say; help and version are no errors.
    exitCode = error.exitCode === 0 ? EXIT.fine : EXIT.usage;
  } else if (error instanceof KeyError) {
    process.stderr.write(`error: ${error.message}\n`);
    exitCode = EXIT.usage;
  } else {
    process.stderr.write(`publisher: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    exitCode = EXIT.failure;
  }
}
process.exit(exitCode);
