/**
 * Makes a statement wait inside Postgres, after it has locked and before it can commit: the test holds an uncommitted
 * row with the same key, so whoever inserts that identity must wait for the test's transaction.
 */
import { count, type Database } from "./database.ts";
import type { TestEvent } from "./event-factory.ts";
import { eventually } from "./eventually.ts";

export interface Blockade {
  /** Waits until another backend waits for this transaction; gives its process id and when its statement began. */
  waiting(): Promise<{ readonly pid: number; readonly since: string }>;
  /** Lets the waiting statement go on, as if the row had never been. */
  lift(): Promise<void>;
}

async function open(sql: Database, statements: string, parameters: string[] = []): Promise<Blockade> {
  const connection = await sql.reserve();
  await connection.unsafe("BEGIN");
  await connection.unsafe(statements, parameters);
  const [self] = await connection.unsafe<{ pid: number }[]>("SELECT pg_backend_pid() AS pid");
  let open = true;
  return {
    async waiting() {
      return await eventually(
        async () => {
          const [row] = await sql`
            SELECT pid, query_start::text AS since FROM pg_stat_activity
            WHERE ${self?.pid ?? 0} = ANY (pg_blocking_pids(pid)) ORDER BY query_start LIMIT 1`;
          if (row === undefined) throw new Error("no statement waits");
          return { pid: count(row["pid"]), since: String(row["since"]) };
        },
        { what: "a statement that waits for the blockade" },
      );
    },
    async lift() {
      if (!open) return;
      open = false;
      await connection.unsafe("ROLLBACK");
      connection.release();
    },
  };
}

/** Blocks every insert of one identity. */
export async function blockIdentity(sql: Database, event: TestEvent): Promise<Blockade> {
  const statement = `INSERT INTO identities (event_id, topic, shard, seq, received_at, content_hash, hash_version)
    VALUES ($1::text::uuid, $2, 0, 0, now(), 0, 0)`;
  return await open(sql, statement, [event.event_id, event.topic]);
}

/** Blocks every insert. Reading goes on. */
export async function blockInserts(sql: Database): Promise<Blockade> {
  return await open(sql, "LOCK TABLE identities IN EXCLUSIVE MODE");
}
