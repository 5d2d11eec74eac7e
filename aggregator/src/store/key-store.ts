/** Keys in Postgres. `migrations/0007-keys.sql` says what is kept of them. */
import type { Database } from "./database.ts";
import {
  type KeyDefinition,
  type KeyKeeper,
  type KeyReader,
  type KeyRecord,
  type KeyScope,
  LIVE_KEYS_MAX,
  type LiveKey,
} from "./key-port.ts";
import allKeys from "./sql/all-keys.sql" with { type: "text" };
import liveKeys from "./sql/live-keys.sql" with { type: "text" };
import makeKey from "./sql/make-key.sql" with { type: "text" };
import noteKeyUse from "./sql/note-key-use.sql" with { type: "text" };

const REVOKE = "UPDATE keys SET revoked_at = now() WHERE name = $1 AND revoked_at IS NULL RETURNING id";

export class PostgresKeyStore implements KeyReader, KeyKeeper {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async liveKeys(): Promise<readonly LiveKey[]> {
    const rows = await this.#database.query(liveKeys, [LIVE_KEYS_MAX]);
    return rows.map((row) => {
      const [rate, burst] = [row["rate"] as number | null, row["burst"] as number | null];
      return {
        id: row["id"] as number,
        name: row["name"] as string,
        digest: row["digest"] as string,
        scopes: row["scopes"] as readonly KeyScope[],
        topics: row["topics"] as readonly string[],
        quota: rate === null || burst === null ? undefined : { rate, burst },
        expiresInMs: (row["expires_in_ms"] ?? undefined) as number | undefined,
      };
    });
  }

  async sessionSecret(): Promise<Uint8Array> {
    const [row] = await this.#database.query("SELECT encode(secret, 'hex') AS secret FROM session_secret");
    if (row === undefined) throw new Error("the table session_secret is empty; it must hold one row");
    return Buffer.from(row["secret"] as string, "hex");
  }

  async noteUse(ids: readonly number[]): Promise<void> {
    await this.#database.query(noteKeyUse, [JSON.stringify(ids)]);
  }

  async makeKey(definition: KeyDefinition): Promise<"made" | "taken" | "full"> {
    const { name, digest, scopes, topics, quota, expiresInMs } = definition;
    const parameters = [
      name,
      digest,
      JSON.stringify(scopes),
      JSON.stringify(topics),
      quota === undefined ? null : String(quota.rate),
      quota === undefined ? null : String(quota.burst),
      expiresInMs === undefined ? null : String(expiresInMs),
      String(LIVE_KEYS_MAX),
    ];
    return await this.#database.transaction(async (tx) => {
      // Two that are made in the same moment wait for each other: the second one sees the first, and the bound holds.
      await tx`SELECT pg_advisory_xact_lock(hashtextextended(current_schema() || '.keys', 0))`;
      const [row] = await tx.unsafe(makeKey, parameters);
      return row?.["outcome"] as "made" | "taken" | "full";
    });
  }

  async keys(): Promise<readonly KeyRecord[]> {
    return (await this.#database.query(allKeys)) as unknown as readonly KeyRecord[];
  }

  async revokeKey(name: string): Promise<"revoked" | "was revoked" | "unknown"> {
    const revoked = await this.#database.query(REVOKE, [name]);
    if (revoked.length === 1) return "revoked";
    const there = await this.#database.query("SELECT FROM keys WHERE name = $1", [name]);
    return there.length === 1 ? "was revoked" : "unknown";
  }
}
