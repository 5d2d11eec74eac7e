/**
 * Postgres over TLS: what each `sslmode` accepts and refuses, and what the operator is told. The configuration is read
 * as the service reads it, and the connections are the service's.
 */
import { afterAll, afterEach, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { type PostgresServer, type PostgresTls, startPostgres } from "@sekali/native";
import { Database } from "../../src/store/database.ts";
import { readDatabaseLink, type TlsVariable } from "../../src/tls-config.ts";
import { Authority } from "../harness/certificates.ts";

setDefaultTimeout(120_000);

let ours: Authority;
let strangers: Authority;
const servers: PostgresServer[] = [];
const opened: Database[] = [];

beforeAll(async () => {
  ours = await Authority.make();
  strangers = await Authority.make("strangers");
});
afterEach(async () => {
  await Promise.all(opened.splice(0).map((database) => database.close(1)));
});
afterAll(async () => {
  await Promise.all(servers.map((server) => server.stop()));
});

async function start(tls?: PostgresTls): Promise<PostgresServer> {
  const server = await startPostgres(tls === undefined ? {} : { tls });
  servers.push(server);
  return server;
}

/** One statement; gives how its connection was encrypted, or what the operator is told. */
async function outcome(server: PostgresServer, query: string, variables: Partial<Record<TlsVariable, string>> = {}) {
  const url = new URL(server.url);
  url.search = "";
  const [host, mode] = query.split("?");
  if (host !== undefined && host !== "") url.hostname = host;
  const link = readDatabaseLink(`${url.href}?${mode}`, (name) => variables[name] ?? "");
  const database = new Database({ ...link, schema: "public", name: "test", connectionsMax: 1 });
  opened.push(database);
  return await database.query("SELECT version FROM pg_stat_ssl WHERE pid = pg_backend_pid()").then(
    ([row]) => row?.["version"] ?? "plain text",
    (error: unknown) => String(error),
  );
}

describe("a server with a certificate for its address", () => {
  let server: PostgresServer;
  beforeAll(async () => {
    server = await start(await ours.sign({ names: ["127.0.0.1"] }));
  });

  test("is accepted in every mode by those who trust its authority", async () => {
    for (const mode of ["require", "verify-ca", "verify-full"]) {
      expect(await outcome(server, `?sslmode=${mode}`, { DATABASE_CA: ours.certificate })).toBe("TLSv1.3");
    }
  });

  test("is not accepted by another name with verify-full, and is with verify-ca", async () => {
    const variables = { DATABASE_CA: ours.certificate };
    const refusal = await outcome(server, "localhost?sslmode=verify-full", variables);
    expect(refusal).toContain("its certificate is for another name: ");
    expect(await outcome(server, "localhost?sslmode=verify-ca", variables)).toBe("TLSv1.3");
  });

  test("is not accepted by those who trust others, not even with require, once an authority is named", async () => {
    const variables = { DATABASE_CA: strangers.certificate };
    for (const mode of ["require", "verify-ca", "verify-full"]) {
      const refusal = await outcome(server, `?sslmode=${mode}`, variables);
      expect(refusal).toContain("from an authority that is not trusted here");
      expect(refusal).toContain("DATABASE_CA_FILE names one that is");
    }
    expect(await outcome(server, "?sslmode=verify-full")).toContain("not trusted here");
  });

  test("is accepted whoever it is with require alone, which keeps out listeners and no impostors", async () => {
    expect(await outcome(server, "?sslmode=require")).toBe("TLSv1.3");
    expect(await outcome(server, "localhost?sslmode=require")).toBe("TLSv1.3");
  });

  test("that lets nobody in without TLS says so itself", async () => {
    expect(await outcome(server, "?sslmode=disable")).toContain("no encryption");
  });
});

test("a certificate for a name is no certificate for the address behind it", async () => {
  const server = await start(await ours.sign({ names: ["localhost"] }));
  const variables = { DATABASE_CA: ours.certificate };
  expect(await outcome(server, "localhost?sslmode=verify-full", variables)).toBe("TLSv1.3");
  expect(await outcome(server, "127.0.0.1?sslmode=verify-full", variables)).toContain("for another name: ");
});

test("an expired certificate is refused as that", async () => {
  const server = await start(await ours.sign({ days: -1 }));
  for (const mode of ["verify-ca", "verify-full"]) {
    const refusal = await outcome(server, `?sslmode=${mode}`, { DATABASE_CA: ours.certificate });
    expect(refusal).toContain("its certificate has expired");
  }
});

test("a server without TLS is refused in every mode that asks for it: nothing falls back to plain text", async () => {
  const server = await start();
  for (const mode of ["require", "verify-ca", "verify-full"]) {
    const refusal = await outcome(server, `?sslmode=${mode}`, { DATABASE_CA: ours.certificate });
    expect(refusal).toContain("it does not speak TLS");
  }
  expect(await outcome(server, "?sslmode=disable")).toBe("plain text");
});

test("a server that asks its clients for certificates gets ours, and says itself what it misses", async () => {
  const server = await start({ ...(await ours.sign()), clientsAuthority: ours.certificate });
  const trusting = { DATABASE_CA: ours.certificate };
  expect(await outcome(server, "?sslmode=verify-full", trusting)).toContain("requires a valid client certificate");
  const { certificate, key } = await ours.sign({ names: ["aggregator"] });
  const known = { ...trusting, DATABASE_CERT: certificate, DATABASE_KEY: key };
  expect(await outcome(server, "?sslmode=verify-full", known)).toBe("TLSv1.3");
  const stranger = await strangers.sign({ names: ["aggregator"] });
  const unknown = { ...trusting, DATABASE_CERT: stranger.certificate, DATABASE_KEY: stranger.key };
  expect(await outcome(server, "?sslmode=verify-full", unknown)).toContain("has refused the handshake: unknown ca");
});
