/**
 * Cost as it grows: the rate of stored events and the latency of both queries, with so many events present. Each
 * measurement on the grown tables has one on empty tables beside it, in the same minute.
 *
 * The tables are filled past HTTP and the queue, by the service's own statement, so that counters and positions agree
 * with the rows. Then they are vacuumed, as autovacuum does sooner or later, and loaded once without a stop-watch: the
 * first change to each page after a checkpoint writes the whole page to the log, which happens once in minutes in
 * service and must not fill a measurement of seconds.
 */
import type { Measured } from "./measure.ts";
import { storeUntil } from "./postgres-alone.ts";
import { migrate, startAggregator } from "./programs.ts";
import { checkpoint, load, onPostgres, type Setting, tidyUp, timed } from "./setting.ts";
import { percentile } from "./statistics.ts";
import { type IdVersion, TEMPLATE_TOPICS } from "./templates.ts";

export interface Latency {
  readonly p50_ms: number;
  readonly p99_ms: number;
}

export interface Queries {
  readonly events_of_topic: Latency;
  readonly events_of_all: Latency;
  readonly stats: Latency;
}

export interface Grown {
  readonly ids: IdVersion;
  /** Events present before the measurement; 0 stands for a page or two. */
  readonly events: number;
  readonly measured: readonly Measured[];
  /** Of empty tables, one for each of `measured`; for 0 events, these are the same. */
  readonly beside: readonly Measured[];
  readonly queries: Queries;
}

const EVENTS_PER_REQUEST = 100;
const DRAIN_SECONDS_MAX = 30;
const QUERIES = 400;
const WARM_UP_QUERIES = 20;
/** Enough for every topic to fill a page. */
const EVENTS_FEW = 2_000;

async function latency(url: string): Promise<Latency> {
  const took: number[] = [];
  for (let query = -WARM_UP_QUERIES; query < QUERIES; query += 1) {
    const began = performance.now();
    const response = await fetch(url);
    await response.arrayBuffer();
    if (response.status !== 200) {
      throw new Error(`GET ${url} answered ${response.status}`);
    }
    if (query >= 0) {
      took.push(performance.now() - began);
    }
  }
  return { p50_ms: percentile(took, 0.5), p99_ms: percentile(took, 0.99) };
}

async function queriesOn({ installation }: Setting, name: string): Promise<Queries> {
  const program = await startAggregator(installation, name);
  try {
    return {
      events_of_topic: await latency(`${program.base}/events?topic=${TEMPLATE_TOPICS[0]}`),
      events_of_all: await latency(`${program.base}/events`),
      stats: await latency(`${program.base}/stats`),
    };
  } finally {
    await program.stop();
  }
}

async function fill({ installation }: Setting, schema: string, events: number, ids: IdVersion): Promise<void> {
  const { root, backing } = installation;
  await storeUntil({ root, url: backing.postgres_url, schema }, events, ids);
  await onPostgres(installation, async (sql) => {
    await sql.unsafe(`VACUUM (ANALYZE) "${schema}".identities, "${schema}".events`);
  });
}

async function rate(setting: Setting, name: string, ids: IdVersion): Promise<Measured> {
  const { seconds } = setting.options;
  const program = await startAggregator(setting.installation, name);
  return timed(setting, program, load({ seconds, ids }, EVENTS_PER_REQUEST, DRAIN_SECONDS_MAX));
}

async function grownTo(setting: Setting, name: string, events: number, ids: IdVersion): Promise<Grown> {
  await fill(setting, name, events, ids);
  await tidyUp(setting, undefined);
  await checkpoint(setting);
  const queries = await queriesOn(setting, name);
  await rate(setting, name, ids);
  const measured: Measured[] = [];
  const beside: Measured[] = [];
  for (let round = 1; round <= setting.options.rounds; round += 1) {
    setting.options.signal.throwIfAborted();
    await tidyUp(setting, undefined);
    measured.push(await rate(setting, name, ids));
    await tidyUp(setting, undefined);
    beside.push(await rate(setting, `${name}_empty`, ids));
    await tidyUp(setting, `${name}_empty`);
  }
  return { ids, events, measured, beside, queries };
}

export async function measureGrowth(setting: Setting): Promise<Grown[]> {
  const found: Grown[] = [];
  for (const ids of ["v4", "v7"] as const) {
    const name = `growth_${ids}`;
    await migrate(setting.installation, name);
    await fill(setting, name, EVENTS_FEW, ids);
    const few = await queriesOn(setting, name);
    const empty: Measured[] = [];
    for (const events of setting.options.growth) {
      setting.say(`growth  filling up to ${events.toLocaleString("en-GB")} events, UUID${ids}`);
      const grown = await grownTo(setting, name, events, ids);
      empty.push(...grown.beside);
      found.push(grown);
      const rates = [grown.measured, grown.beside].map((all) =>
        percentile(
          all.map((one) => one.rate),
          0.5,
        ).toFixed(0),
      );
      setting.say(
        `growth  ${rates[0]} events/s with ${events.toLocaleString("en-GB")}, ${rates[1]} beside them, empty`,
      );
    }
    found.push({ ids, events: 0, measured: empty, beside: empty, queries: few });
    await tidyUp(setting, name);
  }
  return found.sort((a, b) => a.ids.localeCompare(b.ids) || a.events - b.events);
}
