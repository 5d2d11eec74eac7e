import { afterEach, expect, test } from "bun:test";
import { SQL } from "bun";
import { type PostgresServer, startPostgres } from "../src/index.ts";
import { descendantsOf, isAlive } from "../src/processes.ts";

let server: PostgresServer | undefined;
afterEach(async () => {
  await server?.stop();
  server = undefined;
});

/** One statement on a connection of its own: a restart in between leaves nothing behind. */
async function ask(url: string, statement: string): Promise<unknown[]> {
  const sql = new SQL(url, { max: 1 });
  try {
    return [...(await sql.unsafe(statement))];
  } finally {
    await sql.close();
  }
}

async function keeps(hurt: (server: PostgresServer) => Promise<void>): Promise<void> {
  server = await startPostgres({});
  await ask(server.url, "CREATE TABLE kept AS SELECT 7 AS n");
  const { url, port, pid } = server;
  await hurt(server);
  await server.start();
  expect([server.url, server.port]).toEqual([url, port]);
  expect(server.pid).not.toBe(pid);
  expect(await ask(server.url, "SELECT n FROM kept")).toMatchObject([{ n: 7 }]);
}

test("comes back with its data after it was killed with all its backends", async () => {
  await keeps(async (postgres) => {
    const all = [postgres.pid, ...descendantsOf(postgres.pid)];
    expect(all.length).toBeGreaterThan(2);
    await postgres.kill();
    expect(all.filter(isAlive)).toEqual([]);
  });
});

test("comes back with its data after an immediate stop", async () => {
  await keeps((postgres) => postgres.immediateStop());
});

test("comes back with its data after a restart in good order", async () => {
  await keeps((postgres) => postgres.restart());
});

test("keeps fsync, takes settings, and asks for the password", async () => {
  server = await startPostgres({ password: "p w/@:", database: 'odd "name"', settings: { work_mem: "5MB" } });
  const settings = "SELECT name, setting FROM pg_settings WHERE name IN ('fsync', 'work_mem') ORDER BY name";
  expect(await ask(server.url, settings)).toMatchObject([{ setting: "on" }, { setting: "5120" }]);
  const wrong = new URL(server.url);
  wrong.password = "wrong";
  await expect(ask(wrong.toString(), "SELECT 1")).rejects.toThrow();
});

test("several that are the first of their kind start at once", async () => {
  // What is made for the first one lasts as long as the installed packages: after a fresh installation this is a race.
  const servers = await Promise.all([1, 2, 3].map(() => startPostgres({ database: "raced" })));
  try {
    const answers = await Promise.all(servers.map(({ url }) => ask(url, "SELECT current_database() AS name")));
    expect(answers).toMatchObject(servers.map(() => [{ name: "raced" }]));
  } finally {
    await Promise.all(servers.map((each) => each.stop()));
  }
});

test("stop removes temporary data, says so, and does nothing the second time", async () => {
  server = await startPostgres({});
  await server.stop();
  await server.stop();
  await expect(server.start()).rejects.toThrow("restart()");
});

test("each has a cluster of its own, though all are copies of one", async () => {
  const others = await Promise.all([startPostgres({}), startPostgres({})]);
  try {
    const [one, other] = others;
    await ask(one.url, "CREATE TABLE own AS SELECT 1 AS n");
    await expect(ask(other.url, "SELECT n FROM own")).rejects.toThrow("does not exist");
  } finally {
    await Promise.all(others.map((each) => each.stop()));
  }
});
