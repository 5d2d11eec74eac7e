/**
 * Runs in a process of its own, because one of the defects that it provokes ends the process; the others let it wait
 * for ever. See postgres-driver.test.ts. The scenario is the one argument; what came of it is printed.
 */
import postgres from "postgres";

const url = process.env["DATABASE_URL"] ?? "";
const options = { max: 1, onnotice: () => undefined, backoff: () => 0.05, connection: { TimeZone: "UTC" } };
const [victim, killer] = [postgres(url, options), postgres(url, options)];

function codeOf(error: unknown): string {
  return error instanceof Error && "code" in error ? String(error.code) : String(error);
}

/** A transaction whose backend dies while a statement runs; the next statement meets a connection without a socket. */
async function queryAfterDeath(): Promise<string> {
  // The driver may give the whole transaction up before it answers the statement inside: both are waited for.
  const answered = Promise.withResolvers<string>();
  const transaction = victim.begin(async (inside) => {
    const [row] = await inside`SELECT pg_backend_pid() AS pid`;
    const running = inside`SELECT pg_sleep(60)`.catch(() => undefined);
    await killer`SELECT pg_terminate_backend(${Number(row?.["pid"])})`;
    await running;
    await inside`SELECT 1`.then(
      () => answered.resolve("no error"),
      (error: unknown) => answered.resolve(codeOf(error)),
    );
  });
  await transaction.catch(() => undefined);
  return await answered.promise;
}

const scenarios: Record<string, () => Promise<string>> = {
  rejects: queryAfterDeath,

  async reconnects() {
    await queryAfterDeath();
    const [row] = await victim`SELECT 'connected anew' AS state`;
    return String(row?.["state"]);
  },

  /** The pool connects anew, for somebody else's query, before the transaction's next statement. */
  async "stays inside"() {
    await killer`CREATE TABLE IF NOT EXISTS driver_victim (written int)`;
    const answered = Promise.withResolvers<string>();
    const transaction = victim.begin(async (inside) => {
      const [row] = await inside`SELECT pg_backend_pid() AS pid`;
      await killer`SELECT pg_terminate_backend(${Number(row?.["pid"])})`;
      await victim`SELECT 1`;
      await inside`INSERT INTO driver_victim VALUES (1)`.then(
        () => answered.resolve("it ran outside of its transaction"),
        (error: unknown) => answered.resolve(codeOf(error)),
      );
      throw new Error("roll back");
    });
    await transaction.catch(() => undefined);
    await victim`SELECT 1`;
    const [row] = await killer`SELECT count(*)::int AS rows FROM driver_victim`;
    await killer`DROP TABLE driver_victim`;
    return `${await answered.promise}, ${row?.["rows"]} rows`;
  },
};

const scenario = scenarios[process.argv[2] ?? ""];
if (scenario === undefined) throw new Error(`no such scenario: ${process.argv[2]}`);
console.log(await scenario());
process.exit(0);
