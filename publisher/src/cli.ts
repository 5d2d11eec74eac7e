/** The command line: options, their environment variables, their bounds and their help. Decides nothing else. */
import type { RetryBounds } from "@sekali/client";
import { DUPLICATE_RATIO, sourceFault, topicFault } from "@sekali/contract";
import { Command, InvalidArgumentError, Option } from "commander";
import packageJson from "../package.json" with { type: "json" };
import { LOG_LEVELS, type LogLevel } from "./log.ts";
import type { ShipSettings } from "./ship/ship.ts";
import type { SimulateSettings } from "./simulate/simulate.ts";
import type { UuidVersion } from "./simulate/world.ts";

export const EXIT = {
  /** Every event was acknowledged. */
  fine: 0,
  /** Some events were refused or given up, or something unexpected happened. */
  failure: 1,
  usage: 2,
  unreachable: 3,
  input: 4,
} as const;

export const VERSION: string = packageJson.version;

const EXIT_CODES_HELP = `
Exit codes:
  0    every event was acknowledged
  1    some events were refused or given up, or something unexpected happened
  2    wrong usage: an unknown option, or a value that is not taken
  3    the target could not be reached: nothing there ever answered
  4    the input could not be read (ship)
  130  interrupted by SIGINT before the end of the input (ship); 143 by SIGTERM

Environment:
  SEKALI_KEY, or SEKALI_KEY_FILE with a file's path: the key, where the aggregator asks for one

SIGINT and SIGTERM end a run in order: what was begun is finished within --stop-timeout-ms, and a summary is given.
A second one ends it at once.`;

export type CommonSettings = {
  readonly target: URL;
  readonly requestTimeoutMs: number;
  readonly stopTimeoutMs: number;
  readonly retry: RetryBounds;
  readonly logLevel: LogLevel;
};

export type SimulateCommand = CommonSettings &
  SimulateSettings & {
    readonly duplicateRatio: number;
    readonly seed: number | undefined;
    readonly uuidVersion: UuidVersion;
  };

export type ShipCommand = CommonSettings & ShipSettings & { readonly json: boolean; readonly progress: boolean };

export type Commands = {
  simulate(command: SimulateCommand): Promise<void>;
  ship(command: ShipCommand): Promise<void>;
  healthcheck(target: URL): Promise<void>;
};

export function buildProgram(commands: Commands): Command {
  const program = new Command("publisher")
    .description("Publishes events to a Sekali aggregator: simulated ones, or the lines of a log.")
    .version(VERSION, "-V, --version")
    .addHelpText("after", EXIT_CODES_HELP)
    .exitOverride();
  program.addCommand(simulateCommand(commands), { isDefault: true });
  program.addCommand(shipCommand(commands));
  program.addCommand(healthcheckCommand(commands));
  return program;
}

type CommonOptions = {
  target: URL;
  requestTimeoutMs: number;
  stopTimeoutMs: number;
  retryAttemptsMax: number;
  retryElapsedSMax: number;
  retryDelayMsMax: number;
  logLevel: LogLevel;
};

function simulateCommand(commands: Commands): Command {
  const command = new Command("simulate")
    .description("send simulated events, one a tick, some of them again (the default)")
    .allowExcessArguments()
    .addOption(
      new Option("--tick-interval-ms <ms>", "one event every so many milliseconds")
        .env("TICK_INTERVAL_MS")
        .argParser(whole(1, 3_600_000))
        .default(500),
    )
    .addOption(
      new Option("--duplicate-ratio <ratio>", "the part of events that are resent unchanged, 0 to 1")
        .env("DUPLICATE_RATIO")
        .argParser(ratio)
        .default(DUPLICATE_RATIO),
    )
    .addOption(
      new Option("--seed <n>", "make the same choices again (identities and times stay new)")
        .env("SEED")
        .argParser(whole(0, 2 ** 32 - 1)),
    )
    .addOption(
      new Option("--uuid-version <version>", "4: random ids; 7: ids that sort by time")
        .env("UUID_VERSION")
        .choices(["4", "7"])
        .default("4"),
    )
    .addOption(new Option("--count <n>", "end after so many events").env("COUNT").argParser(whole(1, 1e12)))
    .addOption(
      new Option("--in-flight-max <n>", "requests under way at once")
        .env("IN_FLIGHT_MAX")
        .argParser(whole(1, 256))
        .default(64),
    );
  type Options = CommonOptions & {
    tickIntervalMs: number;
    duplicateRatio: number;
    seed?: number;
    uuidVersion: "4" | "7";
    count?: number;
    inFlightMax: number;
  };
  return withCommonOptions(command, 60).action(async (options: Options) => {
    // The default command hears of names that are no command's, too.
    const [stray] = command.args;
    if (stray !== undefined) command.error(`error: there is no command '${stray}'; publisher --help lists all`);
    await commands.simulate({
      ...commonSettings(options),
      tickIntervalMs: options.tickIntervalMs,
      duplicateRatio: options.duplicateRatio,
      seed: options.seed,
      uuidVersion: options.uuidVersion === "7" ? 7 : 4,
      count: options.count,
      inFlightMax: options.inFlightMax,
    });
  });
}

/** Who follows a log waits for the aggregator rather than ends: the log itself is the buffer. */
const FOLLOW_RETRY_ELAPSED_S = 24 * 60 * 60;
const FOLLOW_RETRY_ATTEMPTS = 100_000;

const SHIP_HELP = `
With --follow a request is tried for a day unless --retry-elapsed-s-max or --retry-attempts-max says otherwise.

A line's event_id follows from --source, --identity and what the file says up to and including the line. So a file can
be shipped again, also when it was renamed, copied, or has grown, and a run that was killed can simply be started again:
what is stored already counts as a duplicate. Two files of one source that begin with the very same lines share these
lines; give each an --identity of its own where that is not wanted. The same holds for stdin.`;

function shipCommand(commands: Commands): Command {
  const command = new Command("ship")
    .description("ship a log, line by line; each line is stored once, however often it is shipped")
    .argument("[file]", "the log, or - for stdin", "-")
    .requiredOption("-t, --topic <topic>", "the events' topic", named(topicFault))
    .requiredOption("-s, --source <source>", "the events' source", named(sourceFault))
    .option("-f, --follow", "go on with what is appended, through rotation and truncation", false)
    .option("--identity <text>", "tells this input from others of the same source that begin alike", "")
    .addOption(
      new Option("--zone <zone>", "what times without an offset mean").choices(["local", "utc"]).default("local"),
    )
    .addOption(bounded("--batch-lines-max <n>", "lines a request", 1, 10_000, 500))
    .addOption(bounded("--batch-bytes-max <bytes>", "bytes a request", 1024, 5 * 1024 * 1024, 1024 * 1024))
    .addOption(bounded("--line-bytes-max <bytes>", "longer lines are cut, and marked so", 1, 512 * 1024, 64 * 1024))
    .addOption(bounded("--in-flight-max <n>", "requests under way at once", 1, 64, 4).env("IN_FLIGHT_MAX"))
    .addOption(bounded("--flush-interval-ms <ms>", "an incomplete batch goes after so long", 10, 3_600_000, 1000))
    .addOption(bounded("--poll-interval-ms <ms>", "how often to look for more (--follow)", 10, 60_000, 500))
    .addOption(bounded("--rotated-idle-s <s>", "close a rotated file when quiet for so long (--follow)", 0, 86_400, 60))
    .option("--json", "give the summary as JSON", false)
    .option("--no-progress", "draw no progress bar")
    .addHelpText("after", SHIP_HELP);
  type Options = CommonOptions &
    Pick<ShipSettings, "topic" | "source" | "identity" | "zone" | "follow" | "lineBytesMax"> &
    Pick<ShipSettings, "flushIntervalMs" | "pollIntervalMs"> & {
      batchLinesMax: number;
      batchBytesMax: number;
      inFlightMax: number;
      rotatedIdleS: number;
      json: boolean;
      progress: boolean;
    };
  return withCommonOptions(command, 120).action(async (file: string, options: Options) => {
    if (options.follow && file === "-") command.error("error: --follow takes a file; stdin is read to its end anyway");
    if (options.follow) {
      const isDefault = (name: keyof Options): boolean => command.getOptionValueSource(name) === "default";
      if (isDefault("retryElapsedSMax")) options.retryElapsedSMax = FOLLOW_RETRY_ELAPSED_S;
      if (isDefault("retryAttemptsMax")) options.retryAttemptsMax = FOLLOW_RETRY_ATTEMPTS;
    }
    await commands.ship({
      ...options,
      ...commonSettings(options),
      file,
      batch: {
        linesMax: options.batchLinesMax,
        bytesMax: options.batchBytesMax,
        inFlightMax: options.inFlightMax,
      },
      rotatedIdleMs: options.rotatedIdleS * 1000,
    });
  });
}

function healthcheckCommand(commands: Commands): Command {
  return new Command("healthcheck")
    .description("ask the target whether it is ready to take events: 0 it is, 1 it is not, 3 nothing answers")
    .addOption(targetOption())
    .exitOverride()
    .action(async (options: { target: URL }) => await commands.healthcheck(options.target));
}

function targetOption(): Option {
  return new Option("--target <url>", "the aggregator")
    .env("TARGET_URL")
    .argParser(httpUrl)
    .default(new URL("http://127.0.0.1:8080"), "http://127.0.0.1:8080");
}

function withCommonOptions(command: Command, retryElapsedS: number): Command {
  return command
    .addOption(targetOption())
    .addOption(
      bounded("--retry-attempts-max <n>", "tries for one request, the first included", 1, 100_000, 1000).env(
        "RETRY_ATTEMPTS_MAX",
      ),
    )
    .addOption(
      bounded(
        "--retry-elapsed-s-max <s>",
        "no try begins later than this after the first",
        0,
        604_800,
        retryElapsedS,
      ).env("RETRY_ELAPSED_S_MAX"),
    )
    .addOption(bounded("--retry-delay-ms-max <ms>", "the longest wait between two tries", 1, 3_600_000, 5000))
    .addOption(bounded("--request-timeout-ms <ms>", "the longest wait for one reply", 1, 600_000, 30_000))
    .addOption(bounded("--stop-timeout-ms <ms>", "at a signal, time for what is under way", 0, 600_000, 8000))
    .addOption(new Option("--log-level <level>").env("LOG_LEVEL").choices(LOG_LEVELS).default("info"))
    .exitOverride();
}

/** The first retry comes within so long; full jitter makes it half of that on average. */
const RETRY_DELAY_MS_INITIAL = 100;

function commonSettings(options: CommonOptions): CommonSettings {
  return {
    target: options.target,
    requestTimeoutMs: options.requestTimeoutMs,
    stopTimeoutMs: options.stopTimeoutMs,
    logLevel: options.logLevel,
    retry: {
      attemptsMax: options.retryAttemptsMax,
      elapsedMsMax: options.retryElapsedSMax * 1000,
      delayMsInitial: RETRY_DELAY_MS_INITIAL,
      delayMsMax: options.retryDelayMsMax,
    },
  };
}

function bounded(flags: string, description: string, min: number, max: number, fallback: number): Option {
  return new Option(flags, description).argParser(whole(min, max)).default(fallback);
}

function whole(min: number, max: number): (text: string) => number {
  return (text) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
    if (value >= min && value <= max) return value;
    throw new InvalidArgumentError(`It takes a whole number from ${min} to ${max}.`);
  };
}

function ratio(text: string): number {
  const value = /^\d+(?:\.\d+)?$|^\.\d+$/.test(text) ? Number(text) : Number.NaN;
  if (value >= 0 && value <= 1) return value;
  throw new InvalidArgumentError("It takes a number from 0 to 1.");
}

function named(fault: (name: string) => string | undefined): (text: string) => string {
  return (text) => {
    const wrong = fault(text);
    if (wrong === undefined) return text;
    throw new InvalidArgumentError(`It ${wrong}.`);
  };
}

function httpUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  const isHttp = url?.protocol === "http:" || url?.protocol === "https:";
  if (url !== undefined && isHttp && url.username === "" && url.password === "") return url;
  throw new InvalidArgumentError("It takes an http or https URL without a user, such as http://127.0.0.1:8080.");
}
