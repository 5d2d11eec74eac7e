/**
 * A tester's own way into Postgres, beside the program under test: to look, to lock, to count.
 */
import postgres, { type Sql } from "postgres";

export type Database = Sql;

export interface DatabaseOptions {
  readonly url: string;
  readonly schema: string;
  readonly connections?: number;
}

export function openDatabase({ url, schema, connections = 4 }: DatabaseOptions): Database {
  return postgres(url, {
    max: connections,
    idle_timeout: 5,
    connect_timeout: 5,
    onnotice: () => undefined,
    prepare: false,
    connection: { search_path: schema, application_name: "sekali-test", TimeZone: "UTC" },
  });
}

/** A number that Postgres gave as text, because it may be a bigint. */
export function count(value: unknown): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number)) throw new Error(`not a count: ${String(value)}`);
  return number;
}
