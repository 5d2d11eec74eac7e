/**
 * The environment, read once into one frozen, validated object.
 *
 * Every bound that a person may move is here, its unit in its name. A wrong value names the variable, what it got and
 * what it takes. Each text variable also has a `…_FILE` form, so that secrets can be files.
 */
import {
  BATCH_EVENTS_MAX_DEFAULT,
  BODY_BYTES_MAX_DEFAULT,
  TOPICS_MAX_DEFAULT,
  topicTemplateFault,
} from "@sekali/contract";
import { ConfigError } from "./config-error.ts";
import type { ClientTls, Identity } from "./tls.ts";
import { readBrokerTls, readDatabaseLink, readHttpTls } from "./tls-config.ts";
import { readTracing, type TracingSettings } from "./tracing-config.ts";

export { ConfigError };

export type Role = "api" | "worker";
export type LogLevel = "debug" | "info" | "warn" | "error";

export interface Config {
  readonly databaseUrl: string;
  /** Undefined: plain text. */
  readonly databaseTls: ClientTls | undefined;
  readonly databaseSchema: string;
  readonly brokerUrl: string;
  /** Undefined: plain text. */
  readonly brokerTls: ClientTls | undefined;
  readonly keyPrefix: string;
  readonly host: string;
  readonly port: number;
  /** What HTTPS is served with; undefined: HTTP in plain text. */
  readonly httpTls: Identity | undefined;
  /** Where the port is published for others, where that is not `host`; undefined: there. */
  readonly publishedHost: string | undefined;
  readonly access: "open" | "keys";
  readonly roles: ReadonlySet<Role>;
  readonly workers: number;
  readonly shards: number;
  readonly bodyBytesMax: number;
  readonly batchEventsMax: number;
  readonly queueEventsMax: number;
  readonly queueBytesMax: number;
  readonly topicsMax: number;
  readonly subscribersMax: number;
  /** Undefined: events are kept for ever. */
  readonly retentionDays: number | undefined;
  /** Of the audit of duplicates. */
  readonly auditRetentionDays: number;
  readonly otlpTopic: string;
  readonly otlpIdentity: "content" | "random";
  /** Undefined: no traces. */
  readonly tracing: TracingSettings | undefined;
  readonly startupTimeoutSeconds: number;
  readonly logLevel: LogLevel;
}

export type Environment = Readonly<Record<string, string | undefined>>;

/** The variables, their defaults and meanings: the one list that `--help` prints and the README repeats. */
export const VARIABLES = [
  ["DATABASE_URL", "postgres://admin@127.0.0.1:5432/logs_db", "Postgres; its password may come from DATABASE_PASSWORD"],
  ["DATABASE_PASSWORD", "", "fills in the password of DATABASE_URL"],
  ["DATABASE_CA", "", "with ?sslmode= in DATABASE_URL: who may vouch for Postgres (PEM)"],
  ["DATABASE_CERT", "", "with ?sslmode= in DATABASE_URL: this client's certificate (PEM)"],
  ["DATABASE_KEY", "", "the private key of DATABASE_CERT (PEM)"],
  ["DATABASE_SCHEMA", "public", "the schema of Sekali's tables"],
  ["BROKER_URL", "redis://127.0.0.1:6379", "Redis or Valkey, 7.0 or later; its password may come from BROKER_PASSWORD"],
  ["BROKER_PASSWORD", "", "fills in the password of BROKER_URL"],
  ["BROKER_CA", "", "with rediss://: who may vouch for Redis (PEM), instead of the authorities of the web"],
  ["BROKER_CERT", "", "with rediss://: this client's certificate (PEM), where Redis asks for one"],
  ["BROKER_KEY", "", "the private key of BROKER_CERT (PEM)"],
  ["KEY_PREFIX", "sekali", "what every Redis key and channel begins with"],
  ["HOST", "0.0.0.0", "the address to listen on"],
  ["PORT", "8080", "the port to listen on, 0 to 65535"],
  ["PUBLISHED_HOST", "", "the address at which others reach it, where that is not HOST: that of a container's port"],
  ["ACCESS", "open", "keys: ask each caller for a key (aggregator keys create); open: ask nobody"],
  ["TLS_CERT", "", "serve HTTPS with this certificate and what leads to its authority (PEM)"],
  ["TLS_KEY", "", "the private key of TLS_CERT (PEM)"],
  ["ROLES", "api,worker", "what this process does: api, worker or both"],
  ["WORKERS", "5", "worker loops, 1 to 64"],
  ["SHARDS", "8", "streams that this process adds to, 1 to 1024"],
  ["BODY_BYTES_MAX", String(BODY_BYTES_MAX_DEFAULT), "one request's body, 1 KiB to 64 MiB"],
  ["BATCH_EVENTS_MAX", String(BATCH_EVENTS_MAX_DEFAULT), "one request's events, 1 to 100000"],
  ["QUEUE_EVENTS_MAX", "2000000", "deliveries waiting in Redis, over all shards"],
  ["QUEUE_BYTES_MAX", String(512 * 1024 * 1024), "bytes of deliveries waiting in Redis, over all shards"],
  ["TOPICS_MAX", String(TOPICS_MAX_DEFAULT), "different topics of this installation, 1 to 100000"],
  ["SUBSCRIBERS_MAX", "2000", "connections that follow events at this process, 1 to 100000"],
  ["RETENTION_DAYS", "", "drop events (never identities) after so many days, 1 to 36500; empty keeps them"],
  ["AUDIT_RETENTION_DAYS", "30", "drop audited duplicates (never their counts) after so many days, 1 to 3650"],
  ["OTLP_TOPIC", "{service.name}.{severity}", "the topic of an OTLP log record; names in braces are attributes"],
  ["OTLP_IDENTITY", "random", "of OTLP log records without log.record.uid: random, or content"],
  ["OTEL_EXPORTER_OTLP_ENDPOINT", "", "where traces go, by OTLP over HTTP; without one there are none"],
  ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "", "the same for traces alone, with its path"],
  ["OTEL_SERVICE_NAME", "", "the service's name in traces; sekali, unless OTEL_RESOURCE_ATTRIBUTES says otherwise"],
  ["OTEL_TRACES_SAMPLER", "parentbased_always_on", "which requests are traced, as OpenTelemetry names it"],
  ["OTEL_TRACES_SAMPLER_ARG", "", "the part of them for a ratio sampler, 0 to 1"],
  ["STARTUP_TIMEOUT_S", "60", "how long to wait for Postgres and Redis at start, 1 to 3600 seconds"],
  ["LOG_LEVEL", "info", "debug, info, warn or error"],
] as const;

type Name = (typeof VARIABLES)[number][0];
const DEFAULTS: ReadonlyMap<string, string> = new Map(VARIABLES.map(([name, value]) => [name, value]));

/**
 * @param readFile reads a secret's file; it throws where the file can't be read.
 * @throws ConfigError naming the first variable that is wrong.
 */
export function readConfig(environment: Environment, readFile: (path: string) => string): Config {
  const text = (name: Name) => readText(environment, name, readFile);
  const databaseUrl = withPassword("DATABASE_URL", text("DATABASE_URL"), /^postgres(ql)?:$/, text("DATABASE_PASSWORD"));
  const database = readDatabaseLink(databaseUrl, text);
  const brokerUrl = withPassword("BROKER_URL", text("BROKER_URL"), /^rediss?:$/, text("BROKER_PASSWORD"));
  const integer = (name: Name, min: number, max: number) => parseInteger(name, text(name), min, max);
  const config: Config = {
    databaseUrl: database.url,
    databaseTls: database.tls,
    databaseSchema: parseName("DATABASE_SCHEMA", text("DATABASE_SCHEMA"), /^[a-z_][a-z0-9_]{0,62}$/),
    brokerUrl,
    brokerTls: readBrokerTls(brokerUrl, text),
    keyPrefix: parseName("KEY_PREFIX", text("KEY_PREFIX"), /^[A-Za-z0-9_.:-]{1,64}$/),
    host: text("HOST"),
    port: integer("PORT", 0, 65_535),
    httpTls: readHttpTls(text),
    publishedHost: text("PUBLISHED_HOST") || undefined,
    access: parseAccess(text("ACCESS")),
    roles: parseRoles(text("ROLES")),
    workers: integer("WORKERS", 1, 64),
    shards: integer("SHARDS", 1, 1024),
    bodyBytesMax: integer("BODY_BYTES_MAX", 1024, 64 * 1024 * 1024),
    batchEventsMax: integer("BATCH_EVENTS_MAX", 1, 100_000),
    queueEventsMax: integer("QUEUE_EVENTS_MAX", 1, 1_000_000_000),
    queueBytesMax: integer("QUEUE_BYTES_MAX", 1024, 2 ** 40),
    topicsMax: integer("TOPICS_MAX", 1, 100_000),
    subscribersMax: integer("SUBSCRIBERS_MAX", 1, 100_000),
    retentionDays: text("RETENTION_DAYS") === "" ? undefined : integer("RETENTION_DAYS", 1, 36_500),
    auditRetentionDays: integer("AUDIT_RETENTION_DAYS", 1, 3650),
    otlpTopic: parseTopicTemplate(text("OTLP_TOPIC")),
    otlpIdentity: parseIdentity(text("OTLP_IDENTITY")),
    tracing: readTracing(text),
    startupTimeoutSeconds: integer("STARTUP_TIMEOUT_S", 1, 3600),
    logLevel: parseLogLevel(text("LOG_LEVEL")),
  };
  requireRoomForOneRequest(config);
  return Object.freeze(config);
}

function readText(environment: Environment, name: Name, readFile: (path: string) => string): string {
  const value = environment[name];
  const path = environment[`${name}_FILE`];
  if (value !== undefined && value !== "") {
    if (path !== undefined && path !== "") throw new ConfigError(`${name} and ${name}_FILE are both set; set one`);
    return value;
  }
  if (path === undefined || path === "") return DEFAULTS.get(name) ?? "";
  try {
    return readFile(path).trim();
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw new ConfigError(`${name}_FILE names ${JSON.stringify(path)}, which can't be read: ${reason}`);
  }
}

function wrong(name: Name, got: string, takes: string): ConfigError {
  return new ConfigError(`${name} is ${JSON.stringify(got)}; it takes ${takes}`);
}

function parseInteger(name: Name, text: string, min: number, max: number): number {
  const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN;
  if (!(value >= min && value <= max)) throw wrong(name, text, `a whole number from ${min} to ${max}`);
  return value;
}

function parseName(name: Name, text: string, pattern: RegExp): string {
  if (!pattern.test(text)) throw wrong(name, text, `a name that matches ${pattern.source}`);
  return text;
}

function parseRoles(text: string): ReadonlySet<Role> {
  const roles = new Set<Role>();
  for (const role of text.split(",").map((part) => part.trim())) {
    if (role !== "api" && role !== "worker") throw wrong("ROLES", text, "api, worker or api,worker");
    roles.add(role);
  }
  return roles;
}

function parseAccess(text: string): Config["access"] {
  if (text === "open" || text === "keys") return text;
  throw wrong("ACCESS", text, "open or keys");
}

function parseTopicTemplate(text: string): string {
  const fault = topicTemplateFault(text);
  if (fault === undefined) return text;
  throw wrong("OTLP_TOPIC", text, `a topic with attributes in braces, such as {service.name}.{severity}; it ${fault}`);
}

function parseIdentity(text: string): Config["otlpIdentity"] {
  if (text === "content" || text === "random") return text;
  throw wrong("OTLP_IDENTITY", text, "random or content");
}

function parseLogLevel(text: string): LogLevel {
  const level = text.toLowerCase();
  if (level === "debug" || level === "info" || level === "warn" || level === "error") return level;
  throw wrong("LOG_LEVEL", text, "debug, info, warn or error");
}

/** A URL may hold a password, so a wrong one is not repeated in the message. */
function withPassword(name: Name, text: string, protocol: RegExp, password: string): string {
  const url = URL.parse(text);
  if (url === null || !protocol.test(url.protocol) || url.hostname === "") {
    const example = DEFAULTS.get(name) ?? "";
    throw new ConfigError(
      `${name} is not a URL of the form ${example} (its value is not shown: it may hold a password)`,
    );
  }
  if (password !== "" && url.password === "") url.password = encodeURIComponent(password);
  return url.href;
}

/** The queue is bounded for each shard; a bound below one request would refuse that request for ever. */
function requireRoomForOneRequest(config: Config): void {
  if (config.queueEventsMax < config.shards * config.batchEventsMax) {
    throw new ConfigError(
      `QUEUE_EVENTS_MAX is ${config.queueEventsMax}; ` +
        `with ${config.shards} shards and BATCH_EVENTS_MAX ${config.batchEventsMax} it takes at least ` +
        `${config.shards * config.batchEventsMax}, so that one batch fits into one shard`,
    );
  }
  if (config.queueBytesMax < config.shards * config.bodyBytesMax) {
    throw new ConfigError(
      `QUEUE_BYTES_MAX is ${config.queueBytesMax}; ` +
        `with ${config.shards} shards and BODY_BYTES_MAX ${config.bodyBytesMax} it takes at least ` +
        `${config.shards * config.bodyBytesMax}, so that one body fits into one shard`,
    );
  }
}
