/**
 * PgBouncer from the machine's own package, in front of a Postgres: for the tests of what a pooler does to a session.
 * Like Postgres it does not run as root.
 */
import { chownSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { accountFor, runAs } from "./account.ts";
import { makePrivateFolder, makeTemporaryFolder, removeTemporaryFolder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { leash } from "./leash.ts";
import { ServerProcess } from "./server.ts";

export interface PgBouncerOptions {
  /** The URL of the Postgres behind it. */
  readonly postgres: string;
  readonly poolMode: "session" | "transaction" | "statement";
  /** Settings, each as in pgbouncer.ini's own section. */
  readonly settings?: Record<string, string>;
}

export interface PgBouncer {
  /** Of the same user and database as the Postgres behind it. */
  readonly url: string;
  stop(): Promise<void>;
}

export async function startPgBouncer({ postgres, poolMode, settings = {} }: PgBouncerOptions): Promise<PgBouncer> {
  const behind = new URL(postgres);
  const port = await freePort();
  const home = makeTemporaryFolder("pgbouncer");
  const account = accountFor(home);
  makePrivateFolder(home, account);
  const write = (name: string, text: string) => {
    const file = join(home, name);
    writeFileSync(file, text, { mode: 0o600 });
    if (account !== undefined) chownSync(file, account.uid, account.gid);
    return file;
  };
  const quoted = (text: string) => `"${decodeURIComponent(text).replaceAll('"', '""')}"`;
  const own = {
    listen_addr: "127.0.0.1",
    listen_port: String(port),
    unix_socket_dir: "",
    auth_type: "plain",
    auth_file: write("users.txt", `${quoted(behind.username)} ${quoted(behind.password)}\n`),
    pool_mode: poolMode,
    ...settings,
  };
  const lines = Object.entries(own).map(([name, value]) => `${name} = ${value}`);
  const ini = `[databases]\n* = host=127.0.0.1 port=${behind.port}\n\n[pgbouncer]\n${lines.join("\n")}\n`;
  const binary = pgBouncerBinary();
  const server = new ServerProcess({
    name: "PgBouncer",
    command: [...runAs(account, [binary, home]), ...leash("SIGINT"), binary, write("pgbouncer.ini", ini)],
    env: { LC_ALL: "C", TZ: "UTC", PATH: process.env["PATH"] ?? "/usr/bin:/bin" },
    logFile: join(home, "pgbouncer.log"),
    stopSignal: "SIGINT",
    ready: () => listens(port),
  });
  await server.start();
  const url = new URL(postgres);
  url.port = String(port);
  return {
    url: url.href,
    async stop() {
      // In order it would wait for its clients; SIGTERM ends it at once.
      await server.end("SIGTERM");
      removeTemporaryFolder(home);
    },
  };
}

function pgBouncerBinary(): string {
  // Debian keeps it where only root's path leads.
  const found = Bun.which("pgbouncer", { PATH: `${process.env["PATH"]}:/usr/sbin:/usr/local/sbin` });
  if (found !== null) return found;
  throw new Error("pgbouncer is not installed: make/pgbouncer");
}

async function listens(port: number): Promise<boolean> {
  try {
    const socket = await Bun.connect({ hostname: "127.0.0.1", port, socket: { data: () => undefined } });
    socket.end();
    return true;
  } catch {
    return false;
  }
}
