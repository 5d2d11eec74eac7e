#!/usr/bin/env bun
/** The composition root: the only place that reads the environment, handles signals and exits. */
import { X509Certificate } from "node:crypto";
import { readFileSync } from "node:fs";
import { KeyError, readKey } from "@sekali/client/key";
import { Command } from "commander";
import { version } from "../package.json";
import { addKeysCommands, KeysRefused } from "./access/keys-command.ts";
import { type Config, ConfigError, readConfig, VARIABLES } from "./config.ts";
import { CATALOGUE } from "./openapi/catalogue.ts";
import { openApiText } from "./openapi/openapi-route.ts";
import { createLogger, type Logger } from "./ops/log.ts";
import { formatVerification, verify } from "./ops/verify.ts";
import { RedisLink } from "./queue/redis-link.ts";
import { RedisQueue } from "./queue/redis-queue.ts";
import { database, type Service, startService } from "./service.ts";
import { awaitDependency, DependencyMissing } from "./startup.ts";
import { PostgresBatchStore } from "./store/batch-store.ts";
import { Database } from "./store/database.ts";
import { PostgresEventStore } from "./store/event-store.ts";
import type { KeyKeeper } from "./store/key-port.ts";
import { PostgresKeyStore } from "./store/key-store.ts";
import { grant, MigrationError, migrate, readInstallation } from "./store/migrations.ts";
import { StoreForbidden } from "./store/port.ts";
import { type LineForm, renderLine } from "./subscribe/event-line.ts";
import { TailRefused, tailEvents } from "./subscribe/tail-command.ts";

const EXIT = { fine: 0, failed: 1, configuration: 2, dependency: 3, disagreement: 4 } as const;

const EXIT_HELP = `
Exit codes:
  0  fine
  1  unexpected failure
  2  wrong usage, configuration or rights
  3  a dependency could not be reached within STARTUP_TIMEOUT_S
  4  verify has found a disagreement`;

/** The promise is 10 s; whatever hangs by then is cut off, which loses nothing that was acknowledged. */
const STOP_MS_MAX = 9500;

/** Renewing tools move files without telling anybody; two small files are read that often. */
const CERTIFICATE_CHECK_MS = 10_000;

function loadConfig(): Config {
  return readConfig(process.env, (path) => readFileSync(path, "utf8"));
}

async function serve(): Promise<void> {
  const config = loadConfig();
  const log = createLogger(config.logLevel);
  const fail = (error: unknown, message: string) => {
    log.error({ err: error instanceof Error ? error : new Error(String(error)) }, message);
  };
  // A rejection that nobody awaits is a defect of ours, but not one to lose a process over.
  process.on("unhandledRejection", (reason) => fail(reason, "Unhandled rejection"));
  let stop = async (): Promise<void> => {};
  for (const signal of ["SIGTERM", "SIGINT"] as const) {
    process.once(signal, () => {
      setTimeout(() => process.exit(EXIT.fine), STOP_MS_MAX).unref();
      stop().then(
        () => process.exit(EXIT.fine),
        (error) => {
          fail(error, "Stopping failed");
          process.exit(EXIT.failed);
        },
      );
    });
  }
  const service = await startService(config, log);
  stop = () => service.stop();
  if (config.httpTls !== undefined) followCertificate(service, log);
}

/** A certificate that was renewed is served on SIGHUP, or soon. One that can't be used changes nothing but the log. */
function followCertificate(service: Service, log: Logger): void {
  const renew = () => {
    try {
      const { httpTls } = loadConfig();
      if (httpTls === undefined)
        throw new ConfigError("TLS_CERT is not set any more; it takes a restart to do without");
      if (!service.renewCertificate(httpTls)) return;
      log.info({ expires: new X509Certificate(httpTls.certificate).validTo }, "Certificate renewed");
    } catch (error) {
      log.error({ err: error instanceof Error ? error : new Error(String(error)) }, "Certificate not renewed");
    }
  };
  process.on("SIGHUP", renew);
  setInterval(renew, CERTIFICATE_CHECK_MS).unref();
}

async function migrateOnly(options: { grantTo?: string }): Promise<void> {
  const config = loadConfig();
  const log = createLogger(config.logLevel);
  const connection = new Database({ ...database(config), name: "migrate", connectionsMax: 1 });
  const applied = await awaitDependency(
    "Postgres",
    () => migrate(connection, config.databaseSchema),
    config.startupTimeoutSeconds,
    log,
  );
  log.info({ applied }, applied.length > 0 ? "Migrated" : "Nothing to migrate");
  if (options.grantTo !== undefined) {
    await grant(connection, config.databaseSchema, options.grantTo);
    log.info({ role: options.grantTo }, "Granted");
  }
  await connection.close(1);
}

async function verifyOnly(options: { json?: boolean }): Promise<void> {
  const config = loadConfig();
  const log = createLogger("error");
  const connection = new Database({ ...database(config), name: "verify", connectionsMax: 2 });
  const link = new RedisLink(config.brokerUrl, config.brokerTls, log);
  const result = await runVerification(config, connection, link, log);
  process.stdout.write(`${options.json ? JSON.stringify(result, null, 2) : formatVerification(result)}\n`);
  await connection.close(1);
  link.close();
  process.exitCode = result.agrees ? EXIT.fine : EXIT.disagreement;
}

async function runVerification(config: Config, connection: Database, link: RedisLink, log: Logger) {
  const timeout = config.startupTimeoutSeconds;
  const installation = await awaitDependency("Postgres", () => readInstallation(connection), timeout, log);
  await awaitDependency("Redis", () => link.connect(), timeout, log);
  const batches = new PostgresBatchStore(connection);
  const events = new PostgresEventStore(connection);
  const queue = new RedisQueue(link, config.keyPrefix, installation);
  const store = {
    standing: (shard: number) => batches.standing(shard),
    recount: () => events.recount(),
  };
  return verify(store, queue, config.retentionDays === undefined);
}

/** Keys may be made before anything has served: whatever is missing of the schema is made first. */
async function withKeys(work: (keys: KeyKeeper) => Promise<void>): Promise<void> {
  const config = loadConfig();
  const connection = new Database({ ...database(config), name: "keys", connectionsMax: 1 });
  const prepare = () => migrate(connection, config.databaseSchema);
  // Nothing of the log may come between: standard output is for the key.
  await awaitDependency("Postgres", prepare, config.startupTimeoutSeconds, createLogger("error"));
  await work(new PostgresKeyStore(connection)).finally(() => connection.close(1));
}

async function healthcheck(): Promise<void> {
  const { port, httpTls } = loadConfig();
  const origin = `${httpTls === undefined ? "http" : "https"}://127.0.0.1:${port}`;
  try {
    const reply = await fetch(`${origin}/readyz`, {
      signal: AbortSignal.timeout(4000),
      // It asks its own machine, whose certificate is for another name, and tells no secret.
      tls: { rejectUnauthorized: false },
    });
    process.stdout.write(`${await reply.text()}\n`);
    process.exitCode = reply.ok ? EXIT.fine : EXIT.failed;
  } catch (error) {
    process.stderr.write(`nothing answers on port ${port}: ${error instanceof Error ? error.message : error}\n`);
    process.exitCode = EXIT.failed;
  }
}

/** Who reads us may have had enough (`| head`): nothing is wrong then. */
function endWithReader(command: string): void {
  process.stdout.on("error", (error: NodeJS.ErrnoException) => {
    if (error.code !== "EPIPE") process.stderr.write(`aggregator ${command}: ${error.message}\n`);
    process.exit(error.code === "EPIPE" ? EXIT.fine : EXIT.failed);
  });
}

async function tail(options: { url: string; topic: string; since?: string; json?: boolean }): Promise<void> {
  const stop = new AbortController();
  for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stop.abort());
  endWithReader("tail");
  // https://no-color.org: present and not empty.
  const isColourful = process.stdout.isTTY && !process.env["NO_COLOR"];
  const form: LineForm = options.json ? "json" : isColourful ? "colour" : "plain";
  const output = {
    async event(record: string) {
      if (process.stdout.write(renderLine(record, form))) return;
      await new Promise<void>((resolve) => process.stdout.once("drain", resolve));
    },
    note: (text: string) => process.stderr.write(`aggregator tail: ${text}\n`),
  };
  const { url, topic, since } = options;
  const { SEKALI_KEY, SEKALI_KEY_FILE } = process.env;
  const key = await readKey({ SEKALI_KEY, SEKALI_KEY_FILE });
  await tailEvents({ url, topic, since, key }, output, stop.signal);
  process.exit(EXIT.fine);
}

function describeVariables(): string {
  const width = Math.max(...VARIABLES.map(([name]) => name.length));
  const lines = VARIABLES.map(([name, value, meaning]) => {
    return `  ${name.padEnd(width)}  ${meaning}${value === "" ? "" : ` (default ${value})`}`;
  });
  return ["", "Environment (each variable also as NAME_FILE, naming a file that holds the value):", ...lines].join(
    "\n",
  );
}

const program = new Command("aggregator")
  .description("Sekali's aggregator: takes events at least once, keeps each exactly once.")
  .version(version, "-V, --version")
  .exitOverride((error) => process.exit(error.exitCode === 0 ? EXIT.fine : EXIT.configuration))
  .addHelpText("after", `${describeVariables()}\n${EXIT_HELP}`);
program
  .command("serve", { isDefault: true })
  .description("take, queue, store and show events")
  .allowExcessArguments()
  .action(async (_, command: Command) => {
    // The default command hears of names that are no command's, too.
    const [stray] = command.args;
    if (stray !== undefined) command.error(`error: there is no command '${stray}'; aggregator --help lists all`);
    await serve();
  });
program
  .command("migrate")
  .description("prepare or update the database, then end")
  .option("--grant-to <role>", "let this role serve without any right to define tables")
  .action(migrateOnly);
program
  .command("verify")
  .description("recount identities, counters, positions and queue on live data")
  .option("--json", "print the checks as JSON")
  .action(verifyOnly);
program
  .command("tail")
  .description("follow events of a running service on this terminal")
  .option("--topic <pattern>", "a topic, or a pattern: user.*, user.>", ">")
  .option("--since <when>", "what arrived since then: 30s, 15m, 1h, 2d, a time (RFC 3339), or beginning")
  .option("--json", "print each event as one line of JSON")
  .option("--url <url>", "the service", "http://127.0.0.1:8080")
  .action(tail);
program
  .command("openapi")
  .description("print the API as an OpenAPI 3.1 document")
  .action(() => {
    endWithReader("openapi");
    process.stdout.write(openApiText(CATALOGUE));
  });
addKeysCommands(program, withKeys, {
  print: (text) => process.stdout.write(text),
  note: (text) => process.stderr.write(`aggregator keys: ${text}\n`),
});
program.command("healthcheck").description("ask the service on PORT whether it is ready").action(healthcheck);

try {
  await program.parseAsync();
} catch (error) {
  process.stderr.write(`aggregator: ${error instanceof Error ? error.message : error}\n`);
  if (error instanceof ConfigError || error instanceof MigrationError || error instanceof StoreForbidden)
    process.exit(EXIT.configuration);
  if ([TailRefused, KeyError, KeysRefused].some((kind) => error instanceof kind)) process.exit(EXIT.configuration);
  if (error instanceof DependencyMissing) process.exit(EXIT.dependency);
  process.exit(EXIT.failed);
}
