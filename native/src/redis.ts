/**
 * Redis (or Valkey, which speaks the same) from the machine's own package, with the durability that promise P1 needs.
 *
 * The settings are in a file of the server's own and not on its command line, where every user could read the password.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { makeTemporaryFolder, removeTemporaryFolder } from "./folder.ts";
import { freePort } from "./free-port.ts";
import { leash } from "./leash.ts";
import { type Server, ServerProcess } from "./server.ts";

export interface RedisOptions {
  /** Where the append-only file lives. Without it: a temporary folder that `stop` removes. */
  readonly dataDir?: string;
  readonly port?: number;
  readonly password?: string;
  /** Server settings, each as in redis.conf; they win over the defaults. */
  readonly settings?: Record<string, string>;
  /** It then speaks TLS alone. */
  readonly tls?: RedisTls;
  /** Variables of its environment, beside those it gets anyway. */
  readonly env?: Record<string, string>;
}

/** PEM texts. */
export interface RedisTls {
  readonly certificate: string;
  readonly key: string;
  /** It then asks its clients for certificates that this authority has signed. */
  readonly clientsAuthority?: string;
}

export interface RedisServer extends Server {
  readonly dataDir: string;
}

/** What P1 rests on: an acknowledgement means that the entry is on disk. */
const DURABLE_SETTINGS = {
  appendonly: "yes",
  appendfsync: "always",
  "no-appendfsync-on-rewrite": "no",
  "maxmemory-policy": "noeviction",
  save: '""',
};

/** Starts a Redis of its own on loopback. */
export async function startRedis(options: RedisOptions): Promise<RedisServer> {
  const home = options.dataDir === undefined ? makeTemporaryFolder("redis") : undefined;
  const dataDir = options.dataDir ?? home ?? "";
  const port = options.port ?? (await freePort());
  const { password, tls } = options;
  const settings = { ...(tls === undefined ? {} : secureSettings(dataDir, port, tls)), ...options.settings };
  const server = new ServerProcess({
    name: "Redis",
    command: redisCommand({ dataDir, port: tls === undefined ? port : 0, password, settings }),
    env: { LC_ALL: "C", TZ: "UTC", PATH: process.env["PATH"] ?? "/usr/bin:/bin", ...options.env },
    logFile: join(dataDir, "redis.log"),
    stopSignal: "SIGTERM",
    ready: () => redisAnswers(port, password, tls),
  });
  await server.start();
  return {
    url: tls === undefined ? redisUrl(port, password) : redisUrl(port, password).replace("redis:", "rediss:"),
    port,
    dataDir,
    get pid() {
      return server.pid;
    },
    start: () => server.start(),
    kill: () => server.kill(),
    pause: () => server.pause(),
    resume: () => server.resume(),
    get running() {
      return server.running;
    },
    async restart() {
      await server.end();
      await server.start();
    },
    async stop() {
      await server.end();
      if (home !== undefined) removeTemporaryFolder(home);
    },
  };
}

export function redisUrl(port: number, password: string | undefined): string {
  return `redis://${password === undefined ? "" : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`;
}

export interface RedisPlace {
  readonly dataDir: string;
  readonly port: number;
  readonly password: string | undefined;
  readonly settings: Record<string, string>;
}

/** Writes the settings into the data folder, and says how to run the server in the foreground with them. */
export function redisCommand({ dataDir, port, password, settings }: RedisPlace): string[] {
  mkdirSync(dataDir, { recursive: true });
  const file = join(dataDir, "redis.conf");
  const access = password === undefined ? {} : { requirepass: JSON.stringify(password) };
  const place = { bind: "127.0.0.1", port: String(port), dir: JSON.stringify(dataDir), daemonize: "no" };
  const lines = Object.entries({ ...DURABLE_SETTINGS, ...settings, ...access, ...place });
  writeFileSync(file, `${lines.map(([name, value]) => `${name} ${value}`).join("\n")}\n`, { mode: 0o600 });
  return [...leash("SIGTERM"), redisBinary(), file];
}

/** Writes the certificates into the data folder. */
function secureSettings(dataDir: string, port: number, tls: RedisTls): Record<string, string> {
  mkdirSync(dataDir, { recursive: true });
  const write = (name: string, text: string) => {
    const file = join(dataDir, name);
    writeFileSync(file, text, { mode: 0o600 });
    return JSON.stringify(file);
  };
  const { certificate, key, clientsAuthority } = tls;
  return {
    "tls-port": String(port),
    "tls-cert-file": write("certificate.pem", certificate),
    "tls-key-file": write("key.pem", key),
    "tls-auth-clients": clientsAuthority === undefined ? "no" : "yes",
    ...(clientsAuthority === undefined ? {} : { "tls-ca-cert-file": write("clients.pem", clientsAuthority) }),
  };
}

function redisBinary(): string {
  const found = Bun.which("redis-server") ?? Bun.which("valkey-server");
  if (found !== null) return found;
  const cure =
    process.platform === "darwin"
      ? "brew install redis"
      : "apt-get install redis-server (or your own package manager's)";
  throw new Error(`redis-server is not installed: ${cure}`);
}

/** Whether it answers a PING; while it loads its file it answers, but with an error. It knows its own certificate. */
export function redisAnswers(port: number, password: string | undefined, tls?: RedisTls): Promise<boolean> {
  return new Promise((resolve) => {
    let heard = "";
    const auth = password === undefined ? "" : `*2\r\n$4\r\nAUTH\r\n$${Buffer.byteLength(password)}\r\n${password}\r\n`;
    Bun.connect({
      hostname: "127.0.0.1",
      port,
      ...(tls === undefined ? {} : { tls: { rejectUnauthorized: false, cert: tls.certificate, key: tls.key } }),
      socket: {
        open: (socket) => void socket.write(`${auth}PING\r\n`),
        data: (socket, chunk) => {
          heard += chunk.toString();
          if (!/\+PONG|^-/m.test(heard)) return;
          resolve(heard.includes("+PONG"));
          socket.end();
        },
        close: () => resolve(false),
        error: () => resolve(false),
      },
    }).catch(() => resolve(false));
  });
}
