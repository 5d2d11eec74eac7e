import { createSocket, type Socket } from "node:dgram";
import { createServer } from "node:net";

/**
 * Ports are taken from below the range that Linux and macOS hand to outgoing connections (32768 and 49152 upwards).
 * Out of that range, a client that reconnects to a killed server can be given the server's own port, connect to
 * itself, and keep the server from ever coming back.
 */
const PORT_MIN = 20_000;
const PORT_MAX = 32_000;
const TRIES_MAX = 200;
/** Far more than the servers of one process at a time. */
const CLAIMS_MAX = 500;

const handedOut = new Set<number>();
const claims: Socket[] = [];

/**
 * A port on 127.0.0.1 that nobody listens on, and that this process has not been given before. Other processes that ask
 * here are not given it either, for as long as this one lives: not before its server listens, nor while that is away.
 */
export async function freePort(): Promise<number> {
  for (let tries = 0; tries < TRIES_MAX; tries++) {
    const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
    if (handedOut.has(port) || !(await claim(port)) || !(await portIsFree(port))) continue;
    handedOut.add(port);
    return port;
  }
  throw new Error(`no free port found between ${PORT_MIN} and ${PORT_MAX} after ${TRIES_MAX} tries`);
}

/** UDP has ports of its own, which nothing here uses: whoever has bound one there may use that number here. */
function claim(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = createSocket("udp4");
    socket.once("error", () => resolve(false));
    socket.bind({ port, address: "127.0.0.1", exclusive: true }, () => {
      socket.unref(); // It must not keep the program from ending.
      claims.push(socket);
      if (claims.length > CLAIMS_MAX) claims.shift()?.close();
      resolve(true);
    });
  });
}

/** Whether `host:port` could be listened on at this moment. */
export function portIsFree(port: number, host = "127.0.0.1"): Promise<boolean> {
  return new Promise((resolve) => {
    const probe = createServer();
    probe.once("error", () => resolve(false));
    probe.listen({ port, host, exclusive: true }, () => probe.close(() => resolve(true)));
  });
}
