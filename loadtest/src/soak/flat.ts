/** Whether a figure has settled: pure, on samples over time. */

export interface Reading {
  readonly at_s: number;
  readonly value: number;
}

/** What a figure may grow by over the second half of a run and still count as flat: the greater of the two. */
export interface Tolerance {
  /** In the figure's own unit. */
  readonly absolute: number;
  /** As a share of its mean. */
  readonly relative: number;
}

export interface Trend {
  readonly mean: number;
  /** By the straight line of least squares, from the beginning of the second half to its end. */
  readonly growth: number;
  readonly growth_max: number;
  readonly flat: boolean;
}

/**
 * Looks at the second half only: a process that has just started fills caches and pools, which is no leak. A line of
 * least squares rather than two points, because a garbage collector makes saw teeth. Shrinking is flat enough.
 */
export function trendOf(readings: readonly Reading[], tolerance: Tolerance): Trend {
  const end_s = readings.at(-1)?.at_s ?? 0;
  const half = readings.filter(({ at_s }) => at_s >= end_s / 2);
  const mean = average(half.map(({ value }) => value));
  const middle_s = average(half.map(({ at_s }) => at_s));
  const spread = half.reduce((sum, { at_s }) => sum + (at_s - middle_s) ** 2, 0);
  const along = half.reduce((sum, { at_s, value }) => sum + (at_s - middle_s) * (value - mean), 0);
  const slope = spread === 0 ? 0 : along / spread;
  const growth = slope * (end_s - (half[0]?.at_s ?? end_s));
  const growth_max = Math.max(tolerance.absolute, tolerance.relative * mean);
  return { mean, growth, growth_max, flat: half.length > 2 && growth <= growth_max };
}

function average(values: readonly number[]): number {
  return values.length === 0 ? 0 : values.reduce((sum, value) => sum + value, 0) / values.length;
}
