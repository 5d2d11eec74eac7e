import { describe, expect, test } from "bun:test";
import { PostgresAuditStore } from "../../src/store/audit-store.ts";
import { PostgresBatchStore } from "../../src/store/batch-store.ts";
import type { Database } from "../../src/store/database.ts";
import { PostgresDeadLetterStore } from "../../src/store/dead-letter-store.ts";
import { PostgresEventReader } from "../../src/store/event-reader.ts";
import { PostgresEventStore } from "../../src/store/event-store.ts";
import { PostgresKeyStore } from "../../src/store/key-store.ts";
import { grant, MIGRATIONS, MigrationError, migrate, readInstallation } from "../../src/store/migrations.ts";
import { PostgresShardStore } from "../../src/store/shard-store.ts";
import { useBackingServers } from "../harness/backing-servers.ts";
import { makeEvent } from "../harness/event-factory.ts";
import { EVERYTHING, nameSchema, openSchema, type Schema } from "./schema.ts";

useBackingServers();

const NAMES = MIGRATIONS.map(({ name }) => name);

describe("migrating", () => {
  test("makes the schema and applies each step once", async () => {
    await using schema = await nameSchema();
    expect(await migrate(schema.database, schema.name)).toEqual(NAMES);
    expect(await migrate(schema.database, schema.name)).toEqual([]);
    const rows = await schema.sql`SELECT name FROM sekali_migrations ORDER BY name`;
    expect(rows.map((row) => String(row["name"]))).toEqual(NAMES);
  });

  test("from several connections at once: one migrates, the others find nothing to do", async () => {
    await using schema = await nameSchema();
    const connections = Array.from({ length: 4 }, () => schema.connect());
    const applied = await Promise.all(connections.map((connection) => migrate(connection, schema.name)));
    await Promise.all(connections.map((connection) => connection.close(1)));
    expect(applied.toSorted((a, b) => b.length - a.length)).toEqual([NAMES, [], [], []]);
    const installations = await schema.sql`SELECT id FROM installation`;
    expect(installations).toHaveLength(1);
  });

  test("is all or nothing: where a step fails, nothing is left behind", async () => {
    await using schema = await nameSchema();
    await schema.sql.unsafe(`CREATE SCHEMA "${schema.name}"`);
    await schema.sql.unsafe("CREATE TABLE losses (mine text)");
    expect(await migrate(schema.database, schema.name).catch(String)).toContain("losses");
    const tables = await schema.sql`SELECT tablename FROM pg_tables WHERE schemaname = ${schema.name}`;
    expect(tables.map((row) => String(row["tablename"]))).toEqual(["losses"]);
  });

  test("refuses a database that a newer version has migrated, by name", async () => {
    await using schema = await openSchema();
    await schema.sql`INSERT INTO sekali_migrations (name) VALUES ('9999-later')`;
    const error: unknown = await migrate(schema.database, schema.name).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(MigrationError);
    expect(String(error)).toContain("9999-later");
  });

  test("makes an installation that stays who it is", async () => {
    await using schema = await openSchema();
    const first = await readInstallation(schema.database);
    await migrate(schema.database, schema.name);
    expect(await readInstallation(schema.database)).toBe(first);
    const second = schema.sql`INSERT INTO installation DEFAULT VALUES`;
    expect(await second.catch((error: { code?: string }) => error.code)).toBe("23505");
  });
});

/** A role without any right but to connect, with connections of its own. */
async function openRole(schema: Schema) {
  const name = `${schema.name}_role`;
  await schema.sql.unsafe(`CREATE ROLE "${name}" LOGIN PASSWORD 'guest'`);
  const url = new URL(schema.url);
  url.username = name;
  url.password = "guest";
  const database = schema.connect(url.href);
  return {
    name,
    database,
    async [Symbol.asyncDispose]() {
      await database.close(1);
      await schema.sql.unsafe(`DROP OWNED BY "${name}"`);
      await schema.sql.unsafe(`DROP ROLE "${name}"`);
    },
  };
}

/** Everything that a serving process asks of Postgres, in its order. */
async function serve(database: Database, schema: Schema): Promise<void> {
  expect(await migrate(database, schema.name)).toEqual([]);
  const events = new PostgresEventStore(database);
  const batches = new PostgresBatchStore(database);
  const shards = new PostgresShardStore(database, await readInstallation(database));
  await events.keepPartitions(undefined);
  await events.keepPartitions(30);
  const audit = new PostgresAuditStore(database);
  expect(await audit.judge(1)).toMatchObject({ judged: 0 });
  expect(await audit.conflicts([])).toEqual([]);
  await audit.makeAuditPartitions(30);
  await audit.dropExpiredAudit(30);
  await shards.takeUp(0, async (row) => {
    await row.issue(1, 0);
    await row.noteLoss({ shard: 0, epoch: 1, cause: "redis", afterSeq: 0, throughSeq: 2 });
    await row.noteLoss({ shard: 0, epoch: 1, cause: "redis", afterSeq: 0, throughSeq: 3 });
    expect(await row.epochsAfter(0)).toEqual([{ epoch: 1, seq: 0 }]);
  });
  const [standing] = (await batches.standings()).values();
  if (standing === undefined) throw new Error("the shard is not known");
  const event = makeEvent({ topic: "role" });
  const text = JSON.stringify(event);
  const letter = { seq: 3, deliveries: 1, sqlstate: "22P02", reason: "bad", raw: "?" };
  const batch = { shard: 0, from: standing, to: { epoch: 1, seq: 3 }, text: `${text},${text}`, deliveries: 2 };
  const naming = { dropped: 1, kept: 1, conflicting: 1 };
  expect(await batches.storeBatch({ ...batch, seqs: undefined, deadLetters: [letter] }, naming)).toMatchObject({
    unique: 1,
    duplicates: 1,
  });
  const keys = new PostgresKeyStore(database);
  expect(await keys.liveKeys()).toEqual([]);
  expect(await keys.sessionSecret()).toHaveLength(32);
  await keys.noteUse([1]);
  const letters = new PostgresDeadLetterStore(database);
  expect((await letters.deadLetters({ resolved: false, limit: 5, after: undefined })).records).toHaveLength(1);
  expect(await letters.resolve({ shard: 0, seq: 3 }, "deleted")).toBe(true);
  expect(await batches.examine(text, 1)).toHaveLength(1);
  expect(await batches.skipGap(0, { ...standing, epoch: 1, seq: 3 }, { epoch: 1, seq: 5 })).toBe(true);
  const identities = [event, event, event];
  expect(await shards.verdicts({ shard: 0, epoch: 1, firstSeq: 1, identities })).toEqual([
    "stored",
    "duplicate",
    "dead_letter",
  ]);
  expect(await shards.topics()).toEqual(["role"]);
  expect((await shards.positions([0])).get(0)).toEqual({ epoch: 1, seq: 5 });
  expect((await events.tally()).lost).toBe(5);
  const reader = new PostgresEventReader(database);
  expect((await reader.events({ ...EVERYTHING, topics: ["role"] })).rows).toHaveLength(1);
  expect((await reader.events(EVERYTHING)).rows).toHaveLength(1);
  expect(await events.recount()).toMatchObject({ identities: 1, deadLetters: 1, strayEvents: 0 });
}

describe("a role without the right to define anything", () => {
  test("serves, once it has been granted what serving needs", async () => {
    await using schema = await openSchema();
    await using role = await openRole(schema);
    await grant(schema.database, schema.name, role.name);
    await serve(role.database, schema);
  });

  test("can do no more than that", async () => {
    await using schema = await openSchema();
    await using role = await openRole(schema);
    await grant(schema.database, schema.name, role.name);
    for (const statement of [
      "CREATE TABLE mine (a int)",
      "DROP TABLE events",
      "ALTER TABLE identities DROP CONSTRAINT identities_once",
      "DELETE FROM identities",
      "UPDATE identities SET seq = 0",
      "DELETE FROM events",
      "UPDATE events SET payload = '{}'",
      "TRUNCATE counters",
      "DELETE FROM positions",
      "DELETE FROM dead_letters",
      "DELETE FROM duplicates",
      "UPDATE duplicates SET source = 'x'",
      "UPDATE audit_forgotten SET duplicates = 0",
      "SELECT make_partitions_of('events', true, 1)",
      "SELECT drop_expired_partitions_of('events', 1)",
      "UPDATE installation SET id = gen_random_uuid()",
      "INSERT INTO partitions VALUES ('x', now(), now() + interval '1 day')",
      "INSERT INTO sekali_migrations (name) VALUES ('x')",
      "INSERT INTO keys (name, digest, scopes, topics) VALUES ('x', sha256(''), '{read}', '{>}')",
      "UPDATE keys SET scopes = '{admin}'",
      "UPDATE keys SET revoked_at = NULL",
      "UPDATE session_secret SET secret = sha256('')",
    ]) {
      const outcome = await role.database.query(statement).catch(String);
      expect([statement, outcome]).toEqual([statement, expect.stringContaining("42501")]);
    }
  });

  test("can't serve before that", async () => {
    await using schema = await openSchema();
    await using role = await openRole(schema);
    expect(await serve(role.database, schema).catch(String)).toContain("permission denied");
  });

  test("is told what to do where there is nothing yet and it may not make it", async () => {
    await using schema = await nameSchema();
    await using role = await openRole(schema);
    const error: unknown = await migrate(role.database, schema.name).catch((reason: unknown) => reason);
    expect(error).toBeInstanceOf(MigrationError);
    expect(String(error)).toContain("aggregator migrate --grant-to ROLE");
  });

  test("is not what others may use: its functions are nobody's without a grant", async () => {
    await using schema = await openSchema();
    await using role = await openRole(schema);
    await schema.sql.unsafe(`GRANT USAGE ON SCHEMA "${schema.name}" TO "${role.name}"`);
    for (const call of ["make_partitions(true, 1)", "drop_expired_partitions(1)", "drop_expired_audit_partitions(1)"]) {
      expect(await role.database.query(`SELECT ${call}`).catch(String)).toContain("42501");
    }
  });
});
