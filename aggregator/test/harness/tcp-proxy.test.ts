import { afterAll, beforeAll, expect, test } from "bun:test";
import { backingServers, useBackingServers } from "./backing-servers.ts";
import { openDatabase } from "./database.ts";
import { eventually, within } from "./eventually.ts";
import { TcpProxy } from "./tcp-proxy.ts";

useBackingServers();
let redisLink: TcpProxy;
let postgresLink: TcpProxy;
let redisUrl: string;
let postgresUrl: string;

beforeAll(async () => {
  const { redis, postgres } = await backingServers();
  redisLink = await TcpProxy.open({ protocol: "redis", targetPort: redis.port });
  postgresLink = await TcpProxy.open({ protocol: "postgres", targetPort: postgres.port });
  redisUrl = redisLink.inFrontOf(redis.url);
  postgresUrl = postgresLink.inFrontOf(postgres.url);
});

afterAll(() => {
  redisLink.close();
  postgresLink.close();
});

function redisClient(url: string) {
  return new Bun.RedisClient(url, { autoReconnect: false, connectionTimeout: 5_000 });
}

test("a held request has not arrived, and arrives when it is released", async () => {
  const { redis } = await backingServers();
  const [through, direct] = [redisClient(redisUrl), redisClient(redis.url)];
  const hold = redisLink.hold("request", ({ text }) => text.includes("proxy:held"));
  const reply = through.set("proxy:held", "x".repeat(200_000));
  await hold.reached("the SET");
  expect(await direct.exists("proxy:held")).toBe(false);
  hold.release();
  await reply;
  expect(await direct.exists("proxy:held")).toBe(true);
  through.close();
  direct.close();
});

test("a held reply comes after its effect, and is lost when its connection is cut", async () => {
  const { redis } = await backingServers();
  const [through, direct] = [redisClient(redisUrl), redisClient(redis.url)];
  const hold = redisLink.hold("reply", ({ text }) => text === ":41\r\n");
  const reply = through.send("INCRBY", ["proxy:cut", "41"]).then(
    () => "answered",
    () => "lost",
  );
  await hold.reached("the reply");
  expect(await direct.get("proxy:cut")).toBe("41");
  hold.cut();
  expect(await within(reply, 2_000, "the end of the call")).toBe("lost");
  direct.close();
});

test("a statement of Postgres is held by its parameters, and others pass", async () => {
  const sql = openDatabase({ url: postgresUrl, schema: "public", connections: 2 });
  const hold = postgresLink.hold("request", ({ text }) => text.startsWith("B") && text.includes("proxy-parameter"));
  const held = sql`SELECT ${"proxy-parameter"}::text AS echo`.execute();
  await hold.reached("the Bind");
  expect((await sql`SELECT 1 AS one`)[0]?.["one"]).toBe(1);
  hold.release();
  expect((await held)[0]?.["echo"]).toBe("proxy-parameter");
  await sql.end();
});

test("a stalled link is silent without an error, and delivers everything when it heals", async () => {
  const through = redisClient(redisUrl);
  await through.ping();
  redisLink.stall("reply");
  let answered = false;
  const reply = through.ping().then(() => {
    answered = true;
  });
  const { redis } = await backingServers();
  const direct = redisClient(redis.url);
  await direct.ping();
  expect(answered).toBe(false);
  redisLink.heal();
  await within(reply, 2_000, "the reply");
  through.close();
  direct.close();
});

test("a refused link resets what is open and what is opened", async () => {
  const through = redisClient(redisUrl);
  await through.ping();
  redisLink.refuse();
  await eventually(() => expect(through.connected).toBe(false));
  const second = redisClient(redisUrl);
  expect(
    await within(
      second.ping().catch(() => "refused"),
      6_000,
      "the refusal",
    ),
  ).toBe("refused");
  redisLink.heal();
  const third = redisClient(redisUrl);
  expect(await third.ping()).toBe("PONG");
  third.close();
});

test("a direction that is slowed waits for each message's length, and the other one does not", async () => {
  const through = redisClient(redisUrl);
  await through.ping();
  redisLink.slow("reply", { delayMs: 20, bytesPerSecond: 50_000 });
  expect(redisLink.waitMs("reply", 1_000)).toEqual({ delayMs: 20, transferMs: 20 });
  expect(redisLink.waitMs("request", 1_000)).toEqual({ delayMs: 0, transferMs: 0 });
  const before = performance.now();
  await through.ping();
  expect(performance.now() - before).toBeGreaterThanOrEqual(20);
  // What still waits when the link heals goes on at once.
  redisLink.slow("reply", { delayMs: 60_000 });
  const waiting = through.ping();
  const { redis } = await backingServers();
  const direct = redisClient(redis.url);
  await direct.ping();
  redisLink.heal();
  expect(await within(waiting, 5_000, "the reply")).toBe("PONG");
  expect(redisLink.waitMs("reply", 1_000)).toEqual({ delayMs: 0, transferMs: 0 });
  direct.close();
  through.close();
});
