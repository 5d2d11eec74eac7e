/** What memory and growth cost, as rows for the table and for the page. Pure. */
import type { Grown, Latency } from "./growth.ts";
import type { MemoryFound } from "./memory.ts";
import { type Spread, spread } from "./statistics.ts";

const whole = (value: number): string => Math.round(value).toLocaleString("en-GB");
const latency = ({ p50_ms, p99_ms }: Latency): string => `${p50_ms.toFixed(1)} / ${p99_ms.toFixed(1)}`;

export const GROWTH_COLUMNS = [
  "UUID",
  "events present",
  "stored/s (least … greatest)",
  "× empty tables",
  "/events?topic= p50/p99 ms",
  "/events p50/p99 ms",
  "/stats p50/p99 ms",
];

/** Each measurement beside the one on empty tables that followed it. */
export function besideEmpty({ measured, beside }: Grown): Spread {
  return spread(measured.map((one, index) => one.rate / (beside[index]?.rate ?? Number.NaN)));
}

export function growthRows(growth: readonly Grown[]): string[][] {
  return growth.map((one) => {
    const rate = spread(one.measured.map(({ rate }) => rate));
    const { events_of_topic, events_of_all, stats } = one.queries;
    return [
      one.ids,
      one.events === 0 ? "0 (for queries: 2,000)" : whole(one.events),
      `${whole(rate.median)} (${whole(rate.least)} … ${whole(rate.greatest)})`,
      besideEmpty(one).median.toFixed(2),
      latency(events_of_topic),
      latency(events_of_all),
      latency(stats),
    ];
  });
}

export const GROWTH_RATIO_AIM = 0.9;

/** What is aimed at: time-ordered UUIDs keep inserts flat. */
export function growthVerdicts(growth: readonly Grown[]): string[] {
  return growth
    .filter(({ ids, events }) => ids === "v7" && events > 0)
    .map((one) => {
      const found = besideEmpty(one);
      const figure = `${found.median.toFixed(2)} (${found.least.toFixed(2)} … ${found.greatest.toFixed(2)})`;
      const mark = found.median >= GROWTH_RATIO_AIM ? "✓" : "·";
      return `${mark} UUIDv7, ${whole(one.events)} events present: ${figure} × empty tables; aim ${GROWTH_RATIO_AIM}`;
    });
}

export function memoryRows(found: MemoryFound | undefined): [string, string][] {
  if (found === undefined) {
    return [];
  }
  const mib = (value: number | undefined): string => (value === undefined ? "not known" : `${whole(value)} MiB`);
  const queued = `${whole(found.queued)} events queued`;
  return [
    ["aggregator at rest", mib(found.rest_mib)],
    [`aggregator that took in ${queued}`, mib(found.taking_mib)],
    [`Redis with ${queued}`, mib(found.redis_mib)],
    [`aggregator that emptied the queue, ${whole(found.emptied_per_s)} events/s`, mib(found.emptying_mib)],
  ];
}
