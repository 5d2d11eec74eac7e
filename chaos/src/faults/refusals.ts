/**
 * Postgres refuses for reasons of its own: every SQLSTATE that does not blame the data. A trigger raises it for a
 * while. Nothing may become a dead letter of it, and work goes on when it is over.
 */
import { eventually } from "@sekali/aggregator/harness/eventually";
import type { World } from "../stack/world.ts";
import type { Fault } from "./fault.ts";

const SQLSTATES = [
  "08006", // connection failure
  "25006", // read-only transaction
  "40001", // serialization failure
  "40P01", // deadlock
  "42501", // no privilege
  "42P01", // no such table
  "53100", // disk full
  "53200", // out of memory
  "55P03", // lock not available
  "57014", // statement cancelled
  "57P01", // administrator's shutdown
  "58030", // input or output error
  "23514", // a check that is none of ours, as where no partition is found
  "XX000", // internal error
] as const;

const REFUSING_MS_MAX = 700;

export const refusals: Fault = {
  name: "refusals",
  title: `Postgres refuses with each of ${SQLSTATES.length} SQLSTATEs that don't blame the data`,
  touches: ["postgres"],
  injections: 28,
  perEpisode: 14,
  reduced: 3,
  async inject(world, draw) {
    const sqlstate = draw.pick(SQLSTATES);
    world.count(sqlstate);
    await say(
      world,
      `CREATE OR REPLACE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
      BEGIN RAISE EXCEPTION 'refused by the harness' USING ERRCODE = '${sqlstate}'; END $$;
      CREATE OR REPLACE TRIGGER refuse BEFORE INSERT ON identities FOR EACH STATEMENT EXECUTE FUNCTION refuse()`,
    );
    try {
      await Bun.sleep(draw.random() * REFUSING_MS_MAX);
    } finally {
      await say(world, "DROP TRIGGER IF EXISTS refuse ON identities");
    }
  },
};

/** The harness's own connection has to come through too, on a machine that is busy; so it may be said twice. */
async function say(world: World, statements: string): Promise<void> {
  await eventually(() => world.sql.unsafe(statements), { within: 30_000, what: "the harness's own statement" });
}
