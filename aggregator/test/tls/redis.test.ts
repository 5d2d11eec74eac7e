/**
 * Redis over TLS: whom an aggregator accepts as its Redis, what it says of anybody else, and that all its connections
 * are encrypted and come back by themselves.
 */
import { afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type AddressInfo, createServer } from "node:net";
import { createServer as createTlsServer } from "node:tls";
import { type RedisServer, type RedisTls, startRedis } from "@sekali/native";
import { RedisLink } from "../../src/queue/redis-link.ts";
import type { ClientTls } from "../../src/tls.ts";
import { recordedLog } from "../fakes/recorded-log.ts";
import { Authority, type Certificate } from "../harness/certificates.ts";
import { eventually } from "../harness/eventually.ts";

setDefaultTimeout(120_000);

let ours: Authority;
let loopback: Certificate;
let trusting: ClientTls;
let server: RedisServer | undefined;
let link: RedisLink | undefined;

beforeAll(async () => {
  ours = await Authority.make();
  loopback = await ours.sign();
  trusting = { verify: "name", authorities: ours.certificate, identity: undefined };
});
afterEach(async () => {
  link?.close();
  link = undefined;
  await server?.stop();
  server = undefined;
});

/** One try to connect; gives what the operator is told, or "connected". */
async function outcome(url: string, tls: ClientTls | undefined): Promise<string> {
  link?.close();
  link = new RedisLink(url, tls, recordedLog().log);
  return await link.connect().then(
    () => "connected",
    (error: unknown) => String(error),
  );
}

async function startSecureRedis(tls: RedisTls = loopback, password?: string): Promise<RedisServer> {
  server = await startRedis({ tls, ...(password === undefined ? {} : { password }) });
  return server;
}

test("a Redis with a certificate of the given authority is accepted, by address and by name", async () => {
  const { url } = await startSecureRedis(loopback, "p w");
  expect(await outcome(url, trusting)).toBe("connected");
  expect(await outcome(url.replace("127.0.0.1", "localhost"), trusting)).toBe("connected");
});

test("an authority that nobody has named is not trusted, and the message names what to set", async () => {
  const { url } = await startSecureRedis();
  const strangers = await Authority.make("strangers");
  for (const authorities of [undefined, strangers.certificate]) {
    const said = await outcome(url, { ...trusting, authorities });
    expect(said).toContain("its certificate is from an authority that is not trusted here");
    expect(said).toContain("BROKER_CA_FILE names one that is");
  }
});

test("a certificate for another name is refused, whether the URL has a name or an address", async () => {
  const { url } = await startSecureRedis(await ours.sign({ names: ["redis.example", "192.0.2.7"] }));
  for (const asked of [url, url.replace("127.0.0.1", "localhost")]) {
    expect(await outcome(asked, trusting)).toContain("its certificate is for another name: ");
  }
});

test("an expired certificate is refused as that", async () => {
  const { url } = await startSecureRedis(await ours.sign({ days: -1 }));
  expect(await outcome(url, trusting)).toContain("its certificate has expired");
});

test("a Redis in plain text is asked whether it speaks TLS, and one with TLS whether it wants rediss://", async () => {
  const plain = await startRedis({});
  try {
    const said = await outcome(plain.url.replace("redis:", "rediss:"), trusting);
    expect(said).toContain("has not answered the TLS handshake; does it speak TLS on this port?");
  } finally {
    await plain.stop();
  }
  const { url } = await startSecureRedis();
  expect(await outcome(url.replace("rediss:", "redis:"), undefined)).toContain("wants rediss://");
});

test("a server that hangs up at once is no TLS server either", async () => {
  const rude = createServer((socket) => socket.end());
  const { promise, resolve } = Promise.withResolvers<void>();
  rude.listen(0, "127.0.0.1", resolve);
  await promise;
  const { port } = rude.address() as AddressInfo;
  expect(await outcome(`rediss://127.0.0.1:${port}`, trusting)).toContain("does it speak TLS on this port?");
  rude.close();
});

test("a Redis that asks its clients for a certificate gets ours, and without one the message says what it wants", async () => {
  const { url } = await startSecureRedis({ ...loopback, clientsAuthority: ours.certificate });
  expect(await outcome(url, trusting)).toContain(
    "it wants a certificate from us, which BROKER_CERT_FILE and BROKER_KEY_FILE name",
  );
  const identity = await ours.sign({ names: ["aggregator"] });
  expect(await outcome(url, { ...trusting, identity })).toBe("connected");
});

test("the password is never sent to a server that was not accepted", async () => {
  let heard = "";
  const { certificate, key } = await ours.sign({ names: ["elsewhere.example"] });
  const impostor = createTlsServer({ cert: certificate, key }, (socket) => {
    socket.on("data", (chunk) => {
      heard += chunk.toString();
    });
    socket.on("error", () => undefined);
  });
  impostor.on("tlsClientError", () => undefined);
  const { promise, resolve } = Promise.withResolvers<void>();
  impostor.listen(0, "127.0.0.1", resolve);
  await promise;
  const { port } = impostor.address() as AddressInfo;
  const ended = new Promise<void>((done) =>
    impostor.once("connection", (socket) => socket.once("close", () => done())),
  );
  expect(await outcome(`rediss://:secret@127.0.0.1:${port}`, trusting)).toContain("another name");
  await ended;
  expect(heard).toBe("");
  impostor.close();
});

test("all three connections come back by themselves after Redis was killed (P5)", async () => {
  const redis = await startSecureRedis(loopback, "secret");
  expect(await outcome(redis.url, trusting)).toBe("connected");
  const connected = link;
  if (connected === undefined) throw new Error("no link");
  const heard: string[] = [];
  await connected.subscribe("channel", (message) => heard.push(message));
  await eventually(() => expect(connected.state).toBe("up"));
  await redis.kill();
  await eventually(() => expect(connected.state).toBe("away"));
  await redis.start();
  await eventually(() => expect(connected.state).toBe("up"));
  await eventually(async () => {
    await connected.pipeline([["publish", "channel", "back"]]);
    expect(heard).toContain("back");
  });
});
