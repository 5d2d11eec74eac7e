/**
 * Whether a session of Postgres is what it seems: P1 rests on its `synchronous_commit`, P5 on its time-outs, and
 * prepared statements live in it. A pooler in between (PgBouncer and its kin) can drop what a session asks for at its
 * beginning, and in transaction mode gives each transaction whichever connection is free, settings, statements and all.
 *
 * A pooler is known by its number: it hands out process ids of its own, others than `pg_backend_pid()`. That it shares
 * connections shows when a second client is served by the very process that has just served a first one.
 */
import { Database, type DatabaseOptions, IN_ORDER, settingsOf } from "./database.ts";
import { StoreForbidden } from "./port.ts";

/** Connections that are held at once, to find one that was shared. PgBouncer takes the one that was used last. */
const HELD_MAX = 3;
const CURE = "connect to Postgres itself, or to a pool in session mode (docs/operations.md, PgBouncer)";
/** What no promise rests on: without it some plans are worse, once tables have grown. */
const PLANNER = new Set(Object.keys(IN_ORDER));
const UNCHECKED = new Set(["application_name", "client_min_messages"]);

type Link = Pick<DatabaseOptions, "url" | "tls" | "schema">;

/**
 * @returns what is to be said to the operator, where it is no reason not to start.
 * @throws StoreForbidden where a promise would be broken: by what, and what to do.
 */
export async function requireOwnSession(link: Link): Promise<readonly string[]> {
  const options = { ...link, name: "session", connectionsMax: 1, settings: IN_ORDER };
  const first = new Database(options);
  try {
    const { announced, actual } = await processIds(first);
    const isPooled = announced !== actual;
    if (isPooled && (await servesOthers(actual, options, HELD_MAX))) {
      throw new StoreForbidden(`a pooler shares Postgres's connections between transactions: ${CURE}`);
    }
    const missing = await missingSettings(first, settingsOf(options));
    const broken = missing.filter(({ name }) => !PLANNER.has(name));
    if (broken.length > 0) {
      const found = broken.map(({ name, is, asked }) => `${name} is ${is || "empty"}, not ${asked}`).join("; ");
      const cure = isPooled ? `: a pooler has dropped what was asked for; ${CURE}` : "";
      throw new StoreForbidden(`settings of a session are not what it asked for (${found})${cure}`);
    }
    if (!isPooled) return [];
    const planner = missing.map(({ name }) => name).join(", ");
    return [`a pooler stands before Postgres, which seems to keep sessions${planner && `; it has dropped ${planner}`}`];
  } finally {
    await first.close(1);
  }
}

/** The process that serves a connection, as it was announced at its beginning and as it says itself. */
async function processIds(database: Database): Promise<{ announced: number; actual: number }> {
  const rows = await database.use((sql) => sql.unsafe("SELECT pg_backend_pid() AS pid"));
  return { announced: rows.state.pid, actual: rows[0]?.["pid"] };
}

/** Whether the process that serves another, open connection also serves one of so many new ones. */
async function servesOthers(pid: number, options: DatabaseOptions, tries: number): Promise<boolean> {
  if (tries === 0) return false;
  const other = new Database(options);
  try {
    // Where statements are shared, a transaction would end with its connection.
    if ((await processIds(other)).actual === pid) return true;
    return await other.transaction(async (tx) => {
      const [row] = await tx.unsafe("SELECT pg_backend_pid() AS pid");
      // This transaction holds its connection meanwhile, so the next one gets another.
      return row?.["pid"] === pid || (await servesOthers(pid, options, tries - 1));
    });
  } finally {
    await other.close(1);
  }
}

interface Missing {
  readonly name: string;
  readonly is: string;
  readonly asked: string;
}

async function missingSettings(database: Database, asked: Readonly<Record<string, string | number>>) {
  const names = Object.keys(asked).filter((name) => !UNCHECKED.has(name));
  const rows = await database.use((sql) =>
    sql.unsafe("SELECT lower(name) AS name, setting FROM pg_settings WHERE lower(name) = ANY ($1::text::text[])", [
      `{${names.map((name) => name.toLowerCase()).join(",")}}`,
    ]),
  );
  const found = new Map(rows.map((row) => [row["name"] as string, row["setting"] as string]));
  return names
    .map((name): Missing => ({ name, is: found.get(name.toLowerCase()) ?? "", asked: String(asked[name]) }))
    .filter(({ is, asked }) => spelled(is) !== spelled(asked));
}

/** `"public", pg_temp` and `public, pg_temp` are the same path. */
function spelled(setting: string): string {
  return setting.replaceAll(/[" ]/g, "").toLowerCase();
}
