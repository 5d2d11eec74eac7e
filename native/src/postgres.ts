/** Postgres 18 as a process of this machine. `fsync` stays on: tests of crashes must not be flattered. */
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { accountFor, runAs } from "./account.ts";
import { binaries, type Cluster, copyCluster, POSTGRES_ENV, writeFor } from "./cluster.ts";
import { makePrivateFolder, makeTemporaryFolder, removeTemporaryFolder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { leash } from "./leash.ts";
import { type Server, ServerProcess } from "./server.ts";

export interface PostgresOptions {
  /** Where the data lives. Without it: a temporary folder that `stop` removes. */
  readonly dataDir?: string;
  readonly port?: number;
  readonly user?: string;
  readonly password?: string;
  readonly database?: string;
  /** Server settings, each as in postgresql.conf. */
  readonly settings?: Record<string, string>;
  /** It then speaks TLS alone. */
  readonly tls?: PostgresTls;
  /** Variables of the server's environment, beside those it gets anyway. */
  readonly env?: Record<string, string>;
}

/** PEM texts. */
export interface PostgresTls {
  readonly certificate: string;
  readonly key: string;
  /** It then asks its clients for certificates that this authority has signed. */
  readonly clientsAuthority?: string;
}

export interface PostgresServer extends Server {
  readonly dataDir: string;
  /** Ends it at once and in order, without a checkpoint: the next start goes through crash recovery. */
  immediateStop(): Promise<void>;
}

/** "Fast": clients are cut off, the data is written. */
const STOP_SIGNAL = "SIGINT";

/** Many run side by side in tests, on small machines. */
const TEST_SETTINGS = { shared_buffers: "32MB", max_connections: "100", max_wal_size: "256MB" };

/** Starts a Postgres of its own on loopback, making the cluster and the database where there is none. */
export async function startPostgres(options: PostgresOptions): Promise<PostgresServer> {
  const home = options.dataDir === undefined ? makeTemporaryFolder("postgres") : undefined;
  const dataDir = options.dataDir ?? join(home ?? "", "data");
  const cluster: Cluster = {
    dataDir,
    port: options.port ?? (await freePort()),
    user: options.user ?? "admin",
    password: options.password ?? "sekali",
    database: options.database ?? "logs_db",
  };
  if (home !== undefined) makePrivateFolder(home, accountFor(dataDir));
  await copyCluster(cluster);
  const secure = options.tls === undefined ? {} : secureSettings(dataDir, options.tls);
  const server = new ServerProcess({
    name: "Postgres",
    command: await postgresCommand(cluster, { ...TEST_SETTINGS, ...secure, ...options.settings }),
    env: { ...POSTGRES_ENV, ...options.env },
    logFile: `${dataDir}.log`,
    stopSignal: STOP_SIGNAL,
    ready: (pid) => postmasterIsReady(dataDir, pid),
  });
  await server.start();
  const query = options.tls === undefined ? "" : "?sslmode=require";
  return controlsOf(cluster, server, `${urlOf(cluster)}${query}`, home);
}

function controlsOf(cluster: Cluster, server: ServerProcess, url: string, home: string | undefined): PostgresServer {
  const start = async () => {
    if (!existsSync(cluster.dataDir))
      throw new Error("stop() removed the temporary data: use restart(), or give dataDir");
    await server.start();
  };
  return {
    url,
    dataDir: cluster.dataDir,
    port: cluster.port,
    get pid() {
      return server.pid;
    },
    start,
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    get running() {
      return server.running;
    },
    immediateStop: () => server.end("SIGQUIT"),
    async restart() {
      await server.end();
      await start();
    },
    async stop() {
      await server.end();
      if (home !== undefined) removeTemporaryFolder(home);
    },
  };
}

/** Writes the certificates, and who may come in how, beside the data. */
function secureSettings(dataDir: string, { certificate, key, clientsAuthority }: PostgresTls): Record<string, string> {
  const account = accountFor(dataDir);
  const write = (name: string, text: string) => writeFor(account, `${dataDir}.${name}`, text);
  const proof = clientsAuthority === undefined ? "" : " clientcert=verify-ca";
  return {
    ssl: "on",
    ssl_cert_file: write("certificate.pem", certificate),
    ssl_key_file: write("key.pem", key),
    hba_file: write("hba.conf", `hostssl all all 127.0.0.1/32 scram-sha-256${proof}\n`),
    ...(clientsAuthority === undefined ? {} : { ssl_ca_file: write("clients.pem", clientsAuthority) }),
  };
}

export function urlOf({ user, password, port, database }: Cluster): string {
  return `postgres://${encodeURIComponent(user)}:${encodeURIComponent(password)}@127.0.0.1:${port}/${database}`;
}

/** The command that runs the cluster in the foreground, under an account that Postgres accepts. */
export async function postgresCommand(cluster: Cluster, settings: Record<string, string>): Promise<string[]> {
  const { postgres } = await binaries();
  const all = { listen_addresses: "127.0.0.1", port: String(cluster.port), unix_socket_directories: "", ...settings };
  const flags = Object.entries(all).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
  const account = accountFor(cluster.dataDir);
  // The leash comes second: the kernel takes it off where the account changes.
  const prefix = [...runAs(account, [postgres, cluster.dataDir]), ...leash(STOP_SIGNAL)];
  return [...prefix, postgres, "-D", cluster.dataDir, ...flags];
}

/** pg_ctl asks the same way: line 8 of postmaster.pid is the postmaster's own word on its state. */
export function postmasterIsReady(dataDir: string, pid: number): boolean {
  const file = join(dataDir, "postmaster.pid");
  if (!existsSync(file)) return false;
  const lines = readFileSync(file, "utf8").split("\n");
  return lines[0] === String(pid) && lines[7]?.trim() === "ready";
}
