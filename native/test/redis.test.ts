import { afterEach, expect, test } from "bun:test";
import { existsSync } from "node:fs";
import { RedisClient } from "bun";
import { type RedisServer, startRedis } from "../src/index.ts";

let server: RedisServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

async function ask(url: string, command: string, ...args: string[]): Promise<unknown> {
  const client = new RedisClient(url, { autoReconnect: false });
  try {
    return await client.send(command, args);
  } finally {
    client.close();
  }
}

test("comes back with every acknowledged write after it was killed", async () => {
  server = await startRedis({ password: "p w" });
  const { url, pid } = server;
  await ask(url, "SET", "kept", "7");
  await server.kill();
  await expect(ask(url, "GET", "kept")).rejects.toThrow();
  await server.start();
  expect(server.pid).not.toBe(pid);
  expect(await ask(url, "GET", "kept")).toBe("7");
});

test("comes back with its data after a restart in good order", async () => {
  server = await startRedis({});
  await ask(server.url, "SET", "kept", "7");
  await server.restart();
  expect(await ask(server.url, "GET", "kept")).toBe("7");
});

test("is as durable as the queue asks, unless told otherwise", async () => {
  server = await startRedis({ settings: { appendfsync: "everysec" } });
  const names = ["appendonly", "appendfsync", "no-appendfsync-on-rewrite", "maxmemory-policy", "save"];
  const settings = await ask(server.url, "CONFIG", "GET", ...names);
  expect(settings).toEqual({
    appendonly: "yes",
    appendfsync: "everysec",
    "no-appendfsync-on-rewrite": "no",
    "maxmemory-policy": "noeviction",
    save: "",
  });
});

test("asks for the password, and stop removes temporary data", async () => {
  server = await startRedis({ password: "secret" });
  await expect(ask(`redis://127.0.0.1:${server.port}`, "PING")).rejects.toThrow();
  await server.stop();
  await server.stop();
  expect(existsSync(server.dataDir)).toBe(false);
});

test("does not answer while it is paused, and goes on where it was", async () => {
  server = await startRedis({});
  const { url } = server;
  await ask(url, "SET", "kept", "7");
  server.pause();
  let answered = false;
  const answer = ask(url, "GET", "kept").then((value) => {
    answered = true;
    return value;
  });
  // The kernel takes the connection and its bytes; that they got there is all there is to wait for.
  await Bun.connect({ hostname: "127.0.0.1", port: server.port, socket: { data: () => undefined } }).then((socket) =>
    socket.end(),
  );
  expect({ answered, running: server.running }).toEqual({ answered: false, running: true });
  server.resume();
  expect(await answer).toBe("7");
});
