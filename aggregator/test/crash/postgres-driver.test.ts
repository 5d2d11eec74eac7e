/**
 * The patch of the Postgres driver (patches/postgres@3.4.9.patch), for transactions whose backend dies. Unpatched,
 * 1. the next statement reaches a connection without a socket and throws outside of any promise: the process ends;
 * 2. the connection is counted among the busy ones for ever, so the pool is one smaller after each death;
 * 3. when the pool has connected anew meanwhile, the statement runs on the new connection, outside of its transaction,
 *    and is committed though the transaction fails.
 */
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import { type PostgresServer, startPostgres } from "@sekali/native";
import { environment } from "../harness/aggregator-process.ts";
import { backingServers, useBackingServers } from "../harness/backing-servers.ts";
import { Authority } from "../harness/certificates.ts";

useBackingServers();

/** A scenario that hangs is ended after this time, and then has printed nothing. */
const SCENARIO_MS_MAX = 8_000;

let secure: PostgresServer;
beforeAll(async () => {
  secure = await startPostgres({ tls: await (await Authority.make()).sign() });
});
afterAll(async () => await secure.stop());

const links: Record<string, () => Promise<string>> = {
  "in plain text": async () => (await backingServers()).postgres.url,
  "over TLS": async () => secure.url,
};

describe.each(Object.keys(links))("%s", (link) => {
  test.each([
    ["rejects", "CONNECTION_CLOSED"],
    ["reconnects", "connected anew"],
    ["stays inside", "CONNECTION_CLOSED, 0 rows"],
  ])("a transaction whose backend has died: %s", async (scenario, outcome) => {
    const victim = Bun.spawn([process.execPath, join(import.meta.dir, "postgres-driver-victim.ts"), scenario], {
      env: environment({ DATABASE_URL: (await links[link]?.()) ?? "" }),
      stdout: "pipe",
      stderr: "pipe",
      timeout: SCENARIO_MS_MAX,
    });
    const [output, errors, code] = await Promise.all([victim.stdout.text(), victim.stderr.text(), victim.exited]);
    expect({ output: output.trim(), code, errors }).toEqual({ output: outcome, code: 0, errors: "" });
  });
});
