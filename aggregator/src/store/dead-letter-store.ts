/** Dead letters in Postgres, for those who look after them. Workers write them: see `sql/store-batch.sql`. */
import type { Database, Row } from "./database.ts";
import type {
  DeadLetterDetail,
  DeadLetterName,
  DeadLetterPlace,
  DeadLetterRecord,
  DeadLetterState,
  DeadLetterStore,
  DeadLettersQuery,
} from "./dead-letter-port.ts";
import resolveDeadLetter from "./sql/resolve-dead-letter.sql" with { type: "text" };

const COLUMNS = `shard, seq, deliveries, sqlstate, reason, state, octet_length(raw) AS bytes,
  replace(to_json(dead_at) #>> '{}', '+00:00', 'Z') AS dead_at,
  replace(to_json(resolved_at) #>> '{}', '+00:00', 'Z') AS resolved_at`;
const ONE = `SELECT ${COLUMNS}, encode(raw, 'base64') AS raw FROM dead_letters WHERE shard = $1 AND seq = $2`;
/** One text for each filter, so that each has a plan of its own. */
const page = (filter: string) => `
  SELECT ${COLUMNS} FROM dead_letters d
  WHERE ${filter} AND (d.dead_at, d.shard, d.seq) < (
    coalesce($1::text::timestamptz, 'infinity'), coalesce($2::text::integer, 0), coalesce($3::text::bigint, 0)
  )
  ORDER BY d.dead_at DESC, d.shard DESC, d.seq DESC LIMIT $4`;
const PAGES = { all: page("true"), resolved: page("(d.state <> 'kept')"), open: page("NOT (d.state <> 'kept')") };

export class PostgresDeadLetterStore implements DeadLetterStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  async deadLetters({ resolved, limit, after }: DeadLettersQuery) {
    const text = resolved === undefined ? PAGES.all : PAGES[resolved ? "resolved" : "open"];
    const place = after === undefined ? [null, null, null] : [after.dead_at, String(after.shard), String(after.seq)];
    // One row more than asked for tells whether there is a next page.
    const rows = await this.#database.query(text, [...place, limit + 1]);
    const records = rows.slice(0, limit).map(toRecord);
    const last = records.at(-1);
    const next: DeadLetterPlace | undefined = rows.length > limit ? last : undefined;
    return { records, next };
  }

  async deadLetter({ shard, seq }: DeadLetterName): Promise<DeadLetterDetail | undefined> {
    const [row] = await this.#database.query(ONE, [shard, seq]);
    if (row === undefined) return undefined;
    const raw = row["raw"] as string | null;
    return { record: toRecord(row), raw: raw === null ? undefined : Buffer.from(raw, "base64") };
  }

  async resolve({ shard, seq }: DeadLetterName, state: Exclude<DeadLetterState, "kept">): Promise<boolean> {
    const rows = await this.#database.query(resolveDeadLetter, [shard, seq, state]);
    return rows.length === 1;
  }
}

function toRecord(row: Row): DeadLetterRecord {
  return {
    shard: row["shard"] as number,
    seq: row["seq"] as number,
    deliveries: row["deliveries"] as number,
    sqlstate: row["sqlstate"] as string,
    reason: row["reason"] as string,
    dead_at: row["dead_at"] as string,
    state: row["state"] as DeadLetterState,
    resolved_at: row["resolved_at"] as string | null,
    bytes: row["bytes"] as number | null,
  };
}
