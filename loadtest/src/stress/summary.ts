/** k6's own summary of a run (what its `handleSummary` was given), read with care: it comes from another program. */
export interface Trend {
  readonly med: number;
  readonly p95: number;
  readonly p99: number;
  readonly max: number;
  readonly count: number;
}

interface Metric {
  readonly values?: Readonly<Record<string, number>>;
  readonly thresholds?: Readonly<Record<string, { readonly ok: boolean }>>;
}

interface SummaryData {
  readonly metrics: Readonly<Record<string, Metric>>;
  readonly state: { readonly testRunDurationMs: number };
}

export interface CrossedThreshold {
  readonly metric: string;
  readonly threshold: string;
  readonly found: string;
}

export class Summary {
  readonly #data: SummaryData;

  constructor(data: unknown) {
    this.#data = data as SummaryData;
  }

  get duration_s(): number {
    return this.#data.state.testRunDurationMs / 1_000;
  }

  /** @returns 0 where nothing was counted: k6 leaves such a counter out */
  count(name: string, stream?: string): number {
    const metric = stream === undefined ? name : `${name}{stream:${stream}}`;
    return this.#data.metrics[metric]?.values?.["count"] ?? 0;
  }

  trend(name: string): Trend | undefined {
    const values = this.#data.metrics[name]?.values;
    if (values === undefined || (values["count"] ?? 0) === 0) {
      return undefined;
    }
    const of = (statistic: string): number => values[statistic] ?? Number.NaN;
    return { med: of("med"), p95: of("p(95)"), p99: of("p(99)"), max: of("max"), count: of("count") };
  }

  crossed(): CrossedThreshold[] {
    return Object.entries(this.#data.metrics).flatMap(([metric, { thresholds, values }]) =>
      Object.entries(thresholds ?? {})
        .filter(([, { ok }]) => !ok)
        .map(([threshold]) => ({ metric, threshold, found: figureOf(threshold, values) })),
    );
  }
}

/** The statistic that a threshold such as `p(99)<2000` speaks of. */
function figureOf(threshold: string, values: Metric["values"]): string {
  const value = values?.[/^[^<>=!\s]+/.exec(threshold)?.[0] ?? ""];
  return value === undefined ? "unknown" : String(Math.round(value * 1_000) / 1_000);
}
