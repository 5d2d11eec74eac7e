/** What is measured, by the names that options and results use. */
import { CONNECTIONS, EVENTS_PER_BATCH } from "./postgres-alone.ts";

export const SUBJECTS = {
  echo: "bare Elysia JSON echo, single events, answered",
  single: "Sekali, single events, stored",
  batch_100: "Sekali, batches of 100, stored",
  batch_1000: "Sekali, batches of 1,000, stored",
  postgres: `Postgres alone, same statement, ${CONNECTIONS} × sets of ${EVENTS_PER_BATCH.toLocaleString("en-GB")}`,
  unaudited: "the same without the audit of duplicates",
  naive_single: "naive design, single events, stored",
  naive_100: "naive design, batches of 100, stored",
} as const;

export type Subject = keyof typeof SUBJECTS;
