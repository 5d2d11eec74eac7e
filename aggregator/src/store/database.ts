/**
 * Connections to Postgres that never make their caller wait for ever.
 *
 * Every call has a deadline on this side of the link, because a link can swallow bytes without closing. When it passes,
 * the whole pool is thrown away and a new one is made: the driver has no way to close one connection. What a failed
 * write has done is unknown (a COMMIT can succeed and its answer be lost), so callers read the position again.
 *
 * Errors leave here as the three kinds of the port. Data are only blamed for what data can cause: SQLSTATE class 22,
 * 54000, 54001, and the constraints that our own tables name. Everything else is the server's trouble and is retried.
 */
import postgres from "postgres";
import { type ClientTls, connectionOptions, describeTlsFault } from "../tls.ts";
import { StoreAway, StoreForbidden, TooSlow, Unstorable } from "./port.ts";

export type Sql = postgres.Sql<{ bigint: number }>;
export type Transaction = postgres.TransactionSql<{ bigint: number }>;
export type Row = Readonly<Record<string, unknown>>;

/** Below the 15 s of P5, in this order: lock, idle, statement, then this side's deadline. */
const LOCK_TIMEOUT_MS = 5000;
const IDLE_IN_TRANSACTION_TIMEOUT_MS = 5000;
export const STATEMENT_TIMEOUT_MS = 8000;
export const DEADLINE_MS = 9000;
const CONNECT_TIMEOUT_S = 3;
const RECONNECT_DELAY_S_MAX = 0.5;
const KEEP_ALIVE_S = 5;
/** read_only_sql_transaction */
const READ_ONLY = "25006";

const OWN_CHECKS = new Set([
  "identities_topic_length",
  "events_source_length",
  "events_payload_is_object",
  // Of a duplicate whose timestamp is missing.
  "duplicates_keep_conflicts_only",
]);
const OWN_TABLES = /^(identities|events\w*|duplicates\w*)$/;

/**
 * For sessions that only look things up. Plans are kept for as long as a connection lasts: one that was made while a
 * table was tiny must not read all of it when it has grown. All that workers look up has an index.
 */
export const INDEXES_ONLY = { enable_seqscan: "off" } as const;
/** And what they look up is read in the order of the index, not collected and sorted: pages that follow a cursor. */
export const IN_ORDER = { ...INDEXES_ONLY, enable_bitmapscan: "off" } as const;

export interface DatabaseOptions {
  readonly url: string;
  /** Undefined: plain text. */
  readonly tls?: ClientTls | undefined;
  readonly schema: string;
  readonly connectionsMax: number;
  readonly name: string;
  /** Settings of the session beside those that every connection gets. */
  readonly settings?: Readonly<Record<string, string | number>>;
}

export class Database {
  readonly #options: DatabaseOptions;
  #sql: Sql;
  #closed = false;
  #calls = 0;
  readonly #lostListeners: (() => void)[] = [];

  constructor(options: DatabaseOptions) {
    this.#options = options;
    this.#sql = this.#open();
  }

  get name(): string {
    return this.#options.name;
  }

  get connectionsMax(): number {
    return this.#options.connectionsMax;
  }

  /** Under way, or waiting for a connection. */
  get calls(): number {
    return this.#calls;
  }

  onConnectionLost(listener: () => void): void {
    this.#lostListeners.push(listener);
  }

  /** Runs a prepared statement. */
  query(text: string, parameters: readonly (string | number | null)[] = [], deadlineMs = DEADLINE_MS): Promise<Row[]> {
    return this.use((sql) => sql.unsafe<Row[]>(text, [...parameters], { prepare: true }), deadlineMs);
  }

  /** Fetches so many rows at once, up to the first one with which `isEnough` says so. */
  queryUntil(
    text: string,
    parameters: readonly (string | number | null)[],
    rowsAtOnce: number,
    isEnough: (row: Row) => boolean,
    deadlineMs = DEADLINE_MS,
  ): Promise<Row[]> {
    return this.use(async (sql) => {
      const rows: Row[] = [];
      await sql.unsafe<Row[]>(text, [...parameters]).cursor(rowsAtOnce, (fetched) => {
        for (const row of fetched) {
          rows.push(row);
          if (isEnough(row)) return sql.CLOSE;
        }
        return undefined;
      });
      return rows;
    }, deadlineMs);
  }

  /** Runs statements in one transaction. */
  transaction<T>(work: (tx: Transaction) => Promise<T>, deadlineMs = DEADLINE_MS): Promise<T> {
    return this.use((sql) => sql.begin(work) as Promise<T>, deadlineMs);
  }

  async use<T>(work: (sql: Sql) => PromiseLike<T>, deadlineMs = DEADLINE_MS): Promise<T> {
    if (this.#closed) throw new StoreAway("the store is closed");
    const sql = this.#sql;
    this.#calls += 1;
    let timer: ReturnType<typeof setTimeout> | undefined;
    const deadline = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        this.#renew(sql);
        reject(new StoreAway(`Postgres has not answered within ${deadlineMs} ms`));
      }, deadlineMs);
    });
    try {
      return await Promise.race([work(sql), deadline]);
    } catch (error) {
      // A server that has become a standby keeps its connections: only new ones can find who leads now.
      if (error instanceof postgres.PostgresError && error.code === READ_ONLY) this.#renew(sql);
      throw translate(error);
    } finally {
      this.#calls -= 1;
      clearTimeout(timer);
    }
  }

  /** Ends the connections; what is under way has `graceSeconds` to finish. */
  async close(graceSeconds: number): Promise<void> {
    this.#closed = true;
    await this.#sql.end({ timeout: graceSeconds });
  }

  #open(): Sql {
    return open(this.#options, () => {
      for (const listener of this.#lostListeners) listener();
    });
  }

  #renew(stuck: Sql): void {
    if (this.#sql !== stuck || this.#closed) return;
    this.#sql = this.#open();
    stuck.end({ timeout: 0 }).catch(() => {});
  }
}

function open(options: DatabaseOptions, onclose: () => void): Sql {
  return postgres(options.url, {
    max: options.connectionsMax,
    // Always said, or the driver would listen to PGSSL. Its own names of modes judge no certificate.
    ssl: options.tls === undefined ? false : connectionOptions(options.tls, hostOf(options.url)),
    connect_timeout: CONNECT_TIMEOUT_S,
    keep_alive: KEEP_ALIVE_S,
    backoff: () => Math.random() * RECONNECT_DELAY_S_MAX,
    fetch_types: false,
    onnotice: () => {},
    onclose,
    types: {
      bigint: { to: 20, from: [20], parse: (text: string) => Number(text), serialize: (n: number) => String(n) },
    },
    connection: settingsOf(options),
  });
}

/** What a session asks for at its beginning. */
export function settingsOf(options: DatabaseOptions): Record<string, string | number> {
  return {
    application_name: `sekali ${options.name}`,
    search_path: `"${options.schema}", pg_temp`,
    TimeZone: "UTC",
    client_min_messages: "warning",
    synchronous_commit: "on",
    statement_timeout: STATEMENT_TIMEOUT_MS,
    lock_timeout: LOCK_TIMEOUT_MS,
    idle_in_transaction_session_timeout: IDLE_IN_TRANSACTION_TIMEOUT_MS,
    ...options.settings,
  };
}

/** Undefined where the URL names several servers, as libpq allows. */
function hostOf(url: string): string | undefined {
  const { hostname } = new URL(url);
  return hostname.includes(",") ? undefined : hostname.replace(/^\[|\]$/g, "");
}

function translate(error: unknown): Error {
  if (error instanceof StoreAway) return error;
  if (!(error instanceof postgres.PostgresError)) {
    // Errors of the caller's own work inside a transaction pass through; those of the connection carry a code.
    if (error instanceof Error && !("code" in error)) return error;
    const reason = describeTlsFault(error, "DATABASE") ?? (error instanceof Error ? error.message : String(error));
    return new StoreAway(reason, { cause: error });
  }
  const message = `${error.code}: ${error.message}`;
  // PgBouncer's words: Postgres knows our settings, and what it does not know it calls unrecognized.
  if (error.code === "08P01" && /unsupported startup parameter|statement pooling/.test(error.message)) {
    const cure = "connect to Postgres itself, or to a pool in session mode (docs/operations.md, PgBouncer)";
    return new StoreForbidden(`a pooler refuses what a session needs (${error.message}): ${cure}`, { cause: error });
  }
  if (error.code === "42501") return new StoreForbidden(message, { cause: error });
  if (error.code === "57014") return new TooSlow(message, { cause: error });
  if (blamesData(error)) return new Unstorable(message, { cause: error });
  return new StoreAway(message, { cause: error });
}

function blamesData(error: postgres.PostgresError): boolean {
  if (error.code.startsWith("22") || error.code === "54000" || error.code === "54001") return true;
  if (error.code === "23514") return OWN_CHECKS.has(error.constraint_name ?? "");
  // A missing field. The examination decides; a fault of ours would be found in no delivery and retried.
  return error.code === "23502" && OWN_TABLES.test(error.table_name ?? "");
}
