/** The four services of compose.yaml as processes of this machine. */
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Cluster, createCluster, POSTGRES_ENV } from "../cluster.ts";
import { freePort, portIsFree } from "../free-port.ts";
import { leash } from "../leash.ts";
import { postgresCommand, postmasterIsReady } from "../postgres.ts";
import { redisAnswers, redisCommand } from "../redis.ts";
import type { Service } from "./supervised.ts";

/** Where everything is, and at which address the aggregator answers. */
export interface Installation {
  /** Holds dist/, .data/ and .secrets/. */
  readonly root: string;
  readonly bind: string;
  readonly port: number;
  /** What the programs find in their environment besides what is set for them here. */
  readonly env: Record<string, string | undefined>;
}

export const dataFolder = (root: string): string => join(root, ".data");
export const logFolder = (root: string): string => join(dataFolder(root), "logs");
export const stateFile = (root: string): string => join(dataFolder(root), "state.json");

/** In the order in which they start; they stop in the opposite one. */
export async function servicesOf(installation: Installation): Promise<Service[]> {
  const ports = await chooseServerPorts(installation.root);
  return [
    brokerService(installation, ports.broker),
    await storageService(installation, ports.storage),
    aggregatorService(installation, ports),
    publisherService(installation),
  ];
}

/** From this machine itself: an aggregator that listens everywhere also listens on loopback. */
export function urlOf({ bind, port, env }: Pick<Installation, "bind" | "port" | "env">): string {
  const scheme = env["TLS_CERT"] || env["TLS_CERT_FILE"] ? "https" : "http";
  if (bind === "0.0.0.0") return `${scheme}://127.0.0.1:${port}`;
  if (bind === "::") return `${scheme}://[::1]:${port}`;
  return `${scheme}://${bind.includes(":") ? `[${bind}]` : bind}:${port}`;
}

function brokerService({ root, env }: Installation, port: number): Service {
  const password = readSecret(root, "broker_password");
  const dataDir = join(dataFolder(root), "redis");
  return {
    name: "broker",
    command: redisCommand({ dataDir, port, password, settings: { maxmemory: "1gb" } }),
    env: { LC_ALL: "C", TZ: "UTC", PATH: env["PATH"] },
    stopSignal: "SIGTERM",
    grace_ms: 30_000,
    ready: () => redisAnswers(port, password),
  };
}

async function storageService({ root }: Installation, port: number): Promise<Service> {
  const password = readSecret(root, "database_password");
  const dataDir = join(dataFolder(root), "postgres");
  const cluster: Cluster = { dataDir, port, user: "admin", password, database: "logs_db" };
  await createCluster(cluster, { durable: true });
  return {
    name: "storage",
    command: await postgresCommand(cluster, { shared_buffers: "256MB", max_wal_size: "2GB" }),
    env: POSTGRES_ENV,
    stopSignal: "SIGINT",
    grace_ms: 60_000,
    ready: (pid) => postmasterIsReady(dataDir, pid),
  };
}

function aggregatorService(installation: Installation, ports: ServerPorts): Service {
  const { root, bind, port, env } = installation;
  return {
    name: "aggregator",
    command: [...leash("SIGTERM"), join(root, "dist", "aggregator"), "serve"],
    env: {
      ...env,
      HOST: bind,
      PORT: String(port),
      DATABASE_URL: `postgres://admin@127.0.0.1:${ports.storage}/logs_db`,
      DATABASE_PASSWORD_FILE: join(root, ".secrets", "database_password"),
      BROKER_URL: `redis://127.0.0.1:${ports.broker}`,
      BROKER_PASSWORD_FILE: join(root, ".secrets", "broker_password"),
    },
    stopSignal: "SIGTERM",
    grace_ms: 20_000,
    ready: () => answersReady(urlOf(installation)),
  };
}

function publisherService(installation: Installation): Service {
  const { root, env } = installation;
  return {
    name: "publisher",
    command: [...leash("SIGTERM"), join(root, "dist", "publisher"), "simulate"],
    env: { TICK_INTERVAL_MS: "500", ...env, TARGET_URL: urlOf(installation) },
    stopSignal: "SIGTERM",
    grace_ms: 15_000,
    ready: () => true,
  };
}

const PROBE_MS_MAX = 2_000;

export async function answersReady(url: string): Promise<boolean> {
  try {
    const reply = await fetch(`${url}/readyz`, {
      signal: AbortSignal.timeout(PROBE_MS_MAX),
      // Whether it answers is asked, not who it is: its certificate may be for another name than this address.
      tls: { rejectUnauthorized: false },
    });
    return reply.ok;
  } catch {
    return false; // Not listening yet.
  }
}

interface ServerPorts {
  readonly broker: number;
  readonly storage: number;
}

/**
 * Redis and Postgres keep the ports of their first start while these are free: clients that were pointed at them (psql,
 * redis-cli) stay right. They are never the usual ones, which the machine's own servers may claim at any time.
 */
async function chooseServerPorts(root: string): Promise<ServerPorts> {
  const file = join(dataFolder(root), "ports.json");
  const known: Partial<ServerPorts> = existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {};
  const keep = async (port: number | undefined) =>
    port !== undefined && (await portIsFree(port)) ? port : await freePort();
  const ports = { broker: await keep(known.broker), storage: await keep(known.storage) };
  mkdirSync(dataFolder(root), { recursive: true });
  writeFileSync(file, `${JSON.stringify(ports)}\n`);
  return ports;
}

function readSecret(root: string, name: string): string {
  return readFileSync(join(root, ".secrets", name), "utf8").trim();
}
