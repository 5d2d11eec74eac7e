/**
 * The schema's history, applied in order, each step once.
 *
 * All pending migrations run in one transaction under an advisory lock of the schema, so of two aggregators that start
 * together one migrates and the other then finds nothing to do. Each migration's row goes in before its statements: a
 * migrator without the lock (another version, another tool) is detected by the primary key, not guessed.
 *
 * Serving needs no right to define anything: `aggregator migrate --grant-to ROLE` prepares the schema for a role that
 * may only read, insert and update.
 */
import once from "../../migrations/0001-once.sql" with { type: "text" };
import audit from "../../migrations/0002-audit.sql" with { type: "text" };
import deadLetters from "../../migrations/0003-dead-letters.sql" with { type: "text" };
import feed from "../../migrations/0005-feed.sql" with { type: "text" };
import subscriptions from "../../migrations/0006-subscriptions.sql" with { type: "text" };
import keys from "../../migrations/0007-keys.sql" with { type: "text" };
import type { Database, Transaction } from "./database.ts";

export interface Migration {
  readonly name: string;
  readonly text: string;
}

export const MIGRATIONS: readonly Migration[] = [
  { name: "0001-once", text: once },
  { name: "0002-audit", text: audit },
  { name: "0003-dead-letters", text: deadLetters },
  { name: "0005-feed", text: feed },
  { name: "0006-subscriptions", text: subscriptions },
  { name: "0007-keys", text: keys },
];

const MIGRATION_DEADLINE_MS = 10 * 60_000;

export class MigrationError extends Error {
  override readonly name = "MigrationError";
}

/** @returns the names of the migrations that were applied. */
export async function migrate(database: Database, schema: string): Promise<readonly string[]> {
  return database.transaction(async (tx) => {
    await tx.unsafe(`SET LOCAL statement_timeout = ${MIGRATION_DEADLINE_MS}`);
    await tx.unsafe(`SET LOCAL lock_timeout = ${MIGRATION_DEADLINE_MS}`);
    await tx`SELECT pg_advisory_xact_lock(hashtextextended(${`sekali migrations of ${schema}`}, 0))`;
    const pending = await findPending(tx, schema);
    if (pending.length === 0) return [];
    await requireRights(tx, schema);
    if (!(await schemaExists(tx, schema))) await tx.unsafe(`CREATE SCHEMA "${schema}"`);
    await tx.unsafe(`CREATE TABLE IF NOT EXISTS sekali_migrations (
      name text PRIMARY KEY, applied_at timestamptz NOT NULL DEFAULT now())`);
    for (const migration of pending) {
      await tx`INSERT INTO sekali_migrations (name) VALUES (${migration.name})`;
      await tx.unsafe(migration.text);
    }
    return pending.map((migration) => migration.name);
  }, MIGRATION_DEADLINE_MS);
}

async function findPending(tx: Transaction, schema: string): Promise<readonly Migration[]> {
  const [table] = await tx`SELECT to_regclass(${`"${schema}".sekali_migrations`}) IS NOT NULL AS stands`;
  if (table?.["stands"] !== true) return MIGRATIONS;
  const rows = await tx`SELECT name FROM sekali_migrations ORDER BY name`;
  const applied = new Set(rows.map((row) => row["name"] as string));
  const unknown = [...applied].filter((name) => !MIGRATIONS.some((migration) => migration.name === name));
  if (unknown.length > 0) {
    throw new MigrationError(`the database was migrated by a newer Sekali (${unknown.join(", ")}); run that one`);
  }
  return MIGRATIONS.filter((migration) => !applied.has(migration.name));
}

async function requireRights(tx: Transaction, schema: string): Promise<void> {
  const exists = await schemaExists(tx, schema);
  const [rights] = exists
    ? await tx`SELECT has_schema_privilege(${schema}, 'CREATE') AS may, current_user::text AS role`
    : await tx`SELECT has_database_privilege(current_database(), 'CREATE') AS may, current_user::text AS role`;
  if (rights?.["may"] === true) return;
  throw new MigrationError(
    `the schema ${JSON.stringify(schema)} needs migrations, and the role ${JSON.stringify(rights?.["role"])} may not ` +
      "define tables there; run `aggregator migrate --grant-to ROLE` once as a role that may",
  );
}

async function schemaExists(tx: Transaction, schema: string): Promise<boolean> {
  const [row] = await tx`SELECT to_regnamespace(${`"${schema}"`}) IS NOT NULL AS stands`;
  return row?.["stands"] === true;
}

/** Gives a role what serving needs, and no more. */
export async function grant(database: Database, schema: string, role: string): Promise<void> {
  const quoted = `"${role.replaceAll('"', '""')}"`;
  await database.transaction(async (tx) => {
    for (const statement of [
      `GRANT USAGE ON SCHEMA "${schema}" TO ${quoted}`,
      `GRANT SELECT ON sekali_migrations, installation, partitions, events_default TO ${quoted}`,
      `GRANT SELECT ON duplicates_default, audit_forgotten TO ${quoted}`,
      `GRANT SELECT, INSERT ON identities, events, dead_letters, duplicates TO ${quoted}`,
      // Judging: whether it is a conflict, and to forget what was only kept to find that out.
      `GRANT UPDATE (state, resolved_at, raw) ON dead_letters TO ${quoted}`,
      `GRANT UPDATE (conflict, content_hash, "timestamp", payload) ON duplicates TO ${quoted}`,
      `GRANT SELECT, INSERT, UPDATE ON positions, counters, losses, epochs TO ${quoted}`,
      `GRANT EXECUTE ON FUNCTION make_partitions(boolean, integer), drop_expired_partitions(integer) TO ${quoted}`,
      `GRANT EXECUTE ON FUNCTION make_audit_partitions(boolean, integer), drop_expired_audit_partitions(integer)
        TO ${quoted}`,
      `GRANT SELECT ON horizons TO ${quoted}`,
      `GRANT SELECT, INSERT, UPDATE, DELETE
        ON subscriptions, subscription_cursors, leases, subscription_dead_letters TO ${quoted}`,
      `GRANT EXECUTE ON FUNCTION note_horizons(integer) TO ${quoted}`,
      // Serving tells keys apart, and notes their use; making and revoking them is for whoever owns the tables.
      `GRANT SELECT ON keys, session_secret TO ${quoted}`,
      `GRANT UPDATE (last_used_at) ON keys TO ${quoted}`,
    ]) {
      await tx.unsafe(statement);
    }
  });
}

/** The installation's id, made by its first migration. */
export async function readInstallation(database: Database): Promise<string> {
  const [row] = await database.query("SELECT id FROM installation");
  if (row === undefined) throw new MigrationError("the table installation is empty; it must hold one row");
  return row["id"] as string;
}
