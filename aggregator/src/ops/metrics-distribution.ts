/**
 * How values are spread, cheaply: an observation is a short walk and three additions (about 40 ns).
 *
 * `prom-client`'s own histogram looks its labels up by a text that it builds for each observation, which took 0.6 to
 * 1.1 µs: a tenth of what publishing one event takes. Only showing is left to it.
 */
import { Histogram, type Registry } from "prom-client";

export class Distribution {
  readonly bounds: readonly number[];
  /** How many values were at most the bound and above the one before it; the last number is of those above all. */
  readonly counts: number[];
  sum = 0;

  /** @param bounds ascending. */
  constructor(bounds: readonly number[]) {
    this.bounds = bounds;
    this.counts = new Array<number>(bounds.length + 1).fill(0);
  }

  observe(value: number): void {
    let index = 0;
    while (index < this.bounds.length && value > (this.bounds[index] ?? 0)) index += 1;
    this.counts[index] = (this.counts[index] ?? 0) + 1;
    this.sum += value;
  }
}

export interface DistributionOptions {
  readonly name: string;
  readonly help: string;
  readonly registry: Registry;
  readonly bounds: readonly number[];
}

/** Shows distributions as one histogram of a registry, one series for each value of its label. */
export class DistributionMetric extends Histogram {
  readonly #shown: { readonly name: string; readonly help: string };
  readonly #labelName: string | undefined;
  readonly #bounds: readonly number[];
  readonly #series = new Map<string, Distribution>();

  constructor({ name, help, registry, bounds }: DistributionOptions, labelName?: string) {
    super({ name, help, registers: [registry], buckets: [...bounds] });
    this.#shown = { name, help };
    this.#labelName = labelName;
    this.#bounds = bounds;
  }

  /** The series of a label's value; to be looked up once and kept. */
  of(labelValue = ""): Distribution {
    const known = this.#series.get(labelValue);
    if (known !== undefined) return known;
    const fresh = new Distribution(this.#bounds);
    this.#series.set(labelValue, fresh);
    return fresh;
  }

  /** What a registry, and `get`, ask for. */
  async getForPromString() {
    const values = [...this.#series].flatMap(([value, series]) => this.#show(value, series));
    return { ...this.#shown, type: "histogram", values };
  }

  #show(labelValue: string, { bounds, counts, sum }: Distribution) {
    const { name } = this.#shown;
    const sharedLabels = {};
    const labels = this.#labelName === undefined ? {} : { [this.#labelName]: labelValue };
    let total = 0;
    const buckets = [...bounds, "+Inf"].map((le, index) => {
      total += counts[index] ?? 0;
      return { metricName: `${name}_bucket`, sharedLabels, labels: { ...labels, le }, value: total };
    });
    return [
      ...buckets,
      { metricName: `${name}_sum`, sharedLabels, labels, value: sum },
      { metricName: `${name}_count`, sharedLabels, labels, value: total },
    ];
  }
}
