/** The whole way of an event with Redis and Postgres behind TLS alone, while both are killed and come back. */
import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { type BackingServers, startServers } from "../harness/backing-servers.ts";
import { Authority } from "../harness/certificates.ts";
import { makeEvents } from "../harness/event-factory.ts";
import { Load } from "../harness/load.ts";
import { openStack } from "../harness/stack.ts";

setDefaultTimeout(120_000);

/** P5: after a dependency's return work goes on within this time. */
const RECOVERY_MS_MAX = 15_000;

let authority: Authority;
let servers: BackingServers;
beforeAll(async () => {
  authority = await Authority.make();
  servers = await startServers({ tls: await authority.sign() });
});
afterAll(async () => await servers.stop());

/** Past the proxies, which read the protocols in plain text. */
function addresses(): Record<string, string> {
  return {
    DATABASE_URL: servers.postgres.url.replace("sslmode=require", "sslmode=verify-full"),
    DATABASE_CA: authority.certificate,
    BROKER_URL: servers.redis.url,
    BROKER_CA: authority.certificate,
  };
}

test("Redis and Postgres killed under load, every link encrypted: exact, without help (P1, P3, P5)", async () => {
  await using stack = await openStack({ servers, env: addresses() });
  await stack.start();
  stack.watchStats();
  const load = new Load(stack.publisher);
  for (const server of [servers.postgres, servers.redis]) {
    await load.acknowledges(100, RECOVERY_MS_MAX);
    await server.kill();
    await server.start();
    await stack.publisher.publishStored(makeEvents(4), { within: RECOVERY_MS_MAX });
  }
  const links = await stack.sql`
    SELECT DISTINCT a.application_name AS name, s.ssl FROM pg_stat_activity a JOIN pg_stat_ssl s USING (pid)
    WHERE a.application_name LIKE 'sekali %'`;
  expect(links.map((link) => link["name"])).toEqual(expect.arrayContaining(["sekali api", "sekali worker"]));
  for (const link of links) expect(link).toMatchObject({ ssl: true });
  await load.stop();
  const { stats, rows } = await stack.expectExact();
  expect(rows.unique_processed).toBe(stack.ledger.identities.size);
  expect(stats.lost).toBe(0);
});
